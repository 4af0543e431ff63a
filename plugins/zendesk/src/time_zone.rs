//! Time zones as Zendesk names them: by a place, or in Ruby on Rails' own words.

/// Names of zones that are no place's of the IANA database, or the place of several. Source: Ruby on Rails,
/// `ActiveSupport::TimeZone::MAPPING`, which Zendesk's `time_zone` is a value of; read in November 2026.
const NAMES: &[(&str, &str)] = &[
    ("International Date Line West", "Etc/GMT+12"),
    ("Midway Island", "Pacific/Midway"),
    ("American Samoa", "Pacific/Pago_Pago"),
    ("Hawaii", "Pacific/Honolulu"),
    ("Alaska", "America/Juneau"),
    ("Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("Mountain Time (US & Canada)", "America/Denver"),
    ("Arizona", "America/Phoenix"),
    ("Central Time (US & Canada)", "America/Chicago"),
    ("Saskatchewan", "America/Regina"),
    ("Guadalajara", "America/Mexico_City"),
    ("Central America", "America/Guatemala"),
    ("Eastern Time (US & Canada)", "America/New_York"),
    ("Indiana (East)", "America/Indiana/Indianapolis"),
    ("Quito", "America/Lima"),
    ("Atlantic Time (Canada)", "America/Halifax"),
    ("Newfoundland", "America/St_Johns"),
    ("Brasilia", "America/Sao_Paulo"),
    ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ("Georgetown", "America/Guyana"),
    ("Greenland", "America/Nuuk"),
    ("Mid-Atlantic", "Atlantic/South_Georgia"),
    ("Cape Verde Is.", "Atlantic/Cape_Verde"),
    ("Edinburgh", "Europe/London"),
    ("Bern", "Europe/Zurich"),
    ("West Central Africa", "Africa/Algiers"),
    ("Kyiv", "Europe/Kyiv"),
    ("Istanbul", "Europe/Istanbul"),
    ("Pretoria", "Africa/Johannesburg"),
    ("St. Petersburg", "Europe/Moscow"),
    ("Abu Dhabi", "Asia/Muscat"),
    ("Ekaterinburg", "Asia/Yekaterinburg"),
    ("Islamabad", "Asia/Karachi"),
    ("Chennai", "Asia/Kolkata"),
    ("Mumbai", "Asia/Kolkata"),
    ("New Delhi", "Asia/Kolkata"),
    ("Astana", "Asia/Almaty"),
    ("Sri Jayawardenepura", "Asia/Colombo"),
    ("Hanoi", "Asia/Bangkok"),
    ("Beijing", "Asia/Shanghai"),
    ("Osaka", "Asia/Tokyo"),
    ("Sapporo", "Asia/Tokyo"),
    ("Solomon Is.", "Pacific/Guadalcanal"),
    ("New Caledonia", "Pacific/Noumea"),
    ("Marshall Is.", "Pacific/Majuro"),
    ("Wellington", "Pacific/Auckland"),
    ("Nuku'alofa", "Pacific/Tongatapu"),
    ("Tokelau Is.", "Pacific/Fakaofo"),
    ("Chatham Is.", "Pacific/Chatham"),
    ("Samoa", "Pacific/Apia"),
];

/// The IANA name of a zone; none if there is no such zone.
pub fn iana(text: &str) -> Option<String> {
    use rapport_sdk::time_zone;
    let named = NAMES.iter().find(|(name, _)| *name == text.trim()).map(|(_, zone)| *zone);
    named.or_else(|| time_zone::iana(text)).or_else(|| time_zone::of_place(text)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_one_of_the_database_or_none() {
        for (_, zone) in NAMES {
            assert_eq!(rapport_sdk::time_zone::iana(zone), Some(*zone));
        }
        for (text, zone) in [
            ("Copenhagen", "Europe/Copenhagen"),
            ("Eastern Time (US & Canada)", "America/New_York"),
            ("Europe/Berlin", "Europe/Berlin"),
            ("Hong Kong", "Asia/Hong_Kong"),
            ("Singapore", "Singapore"),
            ("UTC", "UTC"),
            ("Moscow", "Europe/Moscow"),
            ("Mexico City", "America/Mexico_City"),
        ] {
            assert_eq!(iana(text).as_deref(), Some(zone), "{text}");
        }
        for text in ["", "Atlantis", "Eastern Time", "Europe/Atlantis"] {
            assert_eq!(iana(text), None, "{text}");
        }
    }
}
