//! A form with files, as an inbound parser of mail posts it.
#![no_main]

use rapport_email::Email;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    rapport_fuzz::post::<Email>("email", "sendgrid", "multipart/form-data; boundary=BB", body);
});
