//! Where in a webhook the reader is.

use rapport_sdk::number;

use crate::payload::Contact;

/// What surrounds an element: the business number, and the people that the value names.
pub struct Scene<'v, 'a> {
    pub account: &'v str,
    pub display_number: Option<&'v str>,
    pub contacts: &'v [Option<Contact<'a>>],
    /// Of how many elements `contacts` may speak.
    pub elements: usize,
}

impl Scene<'_, '_> {
    /// Whether `number` is the business's own, however it is written.
    pub fn is_business(&self, number: &str) -> bool {
        self.display_number.is_some_and(|own| number::is_same_line(own, number))
    }
}
