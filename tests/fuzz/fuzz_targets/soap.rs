//! An outbound message in SOAP.
#![no_main]

use rapport_salesforce::Salesforce;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    rapport_fuzz::post::<Salesforce>("salesforce", "", "text/xml; charset=utf-8", body);
});
