//! A whole mail, as a sender can write it.
#![no_main]

use rapport_email::Email;

libfuzzer_sys::fuzz_target!(|mail: &[u8]| {
    let fields = [
        ("recipient", &b"support@shop.example"[..]),
        ("sender", b"ada@example.com"),
        ("timestamp", b"1767225600"),
        ("token", b"token"),
        ("signature", b"00"),
        ("body-mime", mail),
    ];
    rapport_fuzz::post::<Email>("email", "mailgun", "multipart/form-data; boundary=BB", &rapport_fuzz::form_data(&fields));
});
