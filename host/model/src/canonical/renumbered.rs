//! Countries whose lines are still written in two ways: what was renumbered, when, and by whose word.
//!
//! A row says how the old spelling becomes today's. It must be certain: each old number has one new number, and no line
//! of today is written like an old one. The SDK has this file, too, for connectors that compare numbers of the business.

/// One way to write numbers of a country that gave way to another one.
#[derive(Debug, PartialEq)]
pub struct Renumbered {
    /// Country calling code.
    pub country: &'static str,
    /// Digits of a national number in its old spelling.
    pub digits: usize,
    /// What its first digits can be, place by place. An empty text is any digit.
    pub when: &'static [&'static str],
    /// From this place on,
    pub at: usize,
    /// so many digits go,
    pub remove: usize,
    /// and these come.
    pub insert: &'static str,
    /// The version of canonical forms from which on this row is known.
    pub version: u32,
}

const fn row(
    country: &'static str,
    digits: usize,
    when: &'static [&'static str],
    (at, remove, insert): (usize, usize, &'static str),
    version: u32,
) -> Renumbered {
    Renumbered { country, digits, when, at, remove, insert, version }
}

/// The rows; the first that fits counts.
pub const RENUMBERED: &[Renumbered] = &[
    // Brazil, 2012 to 2016: a mobile's first digit (6 to 9) got a 9 before it. Landlines begin with 2 to 5 and stay.
    // Source: Anatel, resolution 553/2010.
    row("55", 10, &["", "", "6789"], (2, 0, "9"), 1),
    // Mexico, 3 August 2019: the 1 between country code and mobile is gone, and all national numbers have ten digits.
    // Source: IFT, Plan Técnico Fundamental de Numeración 2018.
    row("52", 11, &["1"], (0, 1, ""), 1),
    // Argentina: a 9 between country code and area code says that a mobile is called from abroad; within the country a 15
    // after the area code says so. The ten digits behind it belong to one line, whichever is written, and networks
    // deliver them with and without the 9. Area codes begin with 1 to 3; what begins with 6 or 8 is a service.
    // Source: ENACOM, Plan Fundamental de Numeración Nacional (resolution SC 46/97); ITU-T E.129, Argentina.
    row("54", 10, &["123"], (0, 0, "9"), 2),
    // Côte d'Ivoire, 31 January 2021: 8 digits became 10, by the operator of the old number. Mobiles: the second digit says
    // whose it is: 0–3 Moov (01), 4–6 MTN (05), 7–9 Orange (07). Landlines begin with 2 or 3, and the third digit
    // says it: 0 MTN (25), of 2x also 8 Moov (21), else Orange (27).
    // Source: ARTCI, Plan national de numérotation à dix chiffres, press conference of 28 July 2020.
    row("225", 8, &["2", "", "8"], (0, 0, "21"), 2),
    row("225", 8, &["23", "", "0"], (0, 0, "25"), 2),
    row("225", 8, &["23"], (0, 0, "27"), 2),
    row("225", 8, &["0456789", "0123"], (0, 0, "01"), 2),
    row("225", 8, &["0456789", "456"], (0, 0, "05"), 2),
    row("225", 8, &["0456789", "789"], (0, 0, "07"), 2),
    // Benin, 30 November 2024: 01 before every number of 8 digits. Source: ARCEP Bénin, plan national de numérotation.
    row("229", 8, &["245689"], (0, 0, "01"), 2),
    // Gabon, 15 November 2019, the old way out of service on 6 April 2024: Gabon Télécom's landlines 1 became 11, Libertis
    // and Moov 2, 5, 6 became 62, 65, 66, Airtel 4, 7 became 74, 77. From abroad the old ones had a 0 before them.
    // Source: ARCEP Gabon, 3 June 2019; ANINF, 29 February 2024.
    row("241", 7, &["1"], (0, 0, "1"), 2),
    row("241", 7, &["256"], (0, 0, "6"), 2),
    row("241", 7, &["47"], (0, 0, "7"), 2),
    row("241", 8, &["0", "1"], (0, 1, "1"), 2),
    row("241", 8, &["0", "256"], (0, 1, "6"), 2),
    row("241", 8, &["0", "47"], (0, 1, "7"), 2),
    // Viet Nam, 15 September 2018 to 30 June 2019: mobiles of 11 digits (with the trunk 0) became 10.
    // Source: Ministry of Information and Communications, decision 798/QĐ-BTTTT of 25 May 2018; the operators' tables.
    row("84", 10, &["1", "2", "0"], (0, 3, "70"), 2),
    row("84", 10, &["1", "2", "1"], (0, 3, "79"), 2),
    row("84", 10, &["1", "2", "2"], (0, 3, "77"), 2),
    row("84", 10, &["1", "2", "6"], (0, 3, "76"), 2),
    row("84", 10, &["1", "2", "8"], (0, 3, "78"), 2),
    row("84", 10, &["1", "2", "3"], (0, 3, "83"), 2),
    row("84", 10, &["1", "2", "4"], (0, 3, "84"), 2),
    row("84", 10, &["1", "2", "5"], (0, 3, "85"), 2),
    row("84", 10, &["1", "2", "7"], (0, 3, "81"), 2),
    row("84", 10, &["1", "2", "9"], (0, 3, "82"), 2),
    row("84", 10, &["1", "6", "23456789"], (0, 2, "3"), 2),
    row("84", 10, &["1", "8", "6"], (0, 3, "56"), 2),
    row("84", 10, &["1", "8", "8"], (0, 3, "58"), 2),
    row("84", 10, &["1", "9", "9"], (0, 3, "59"), 2),
];

impl Renumbered {
    /// The digits of the number in its old spelling.
    fn fits(&self, national: &str) -> bool {
        national.len() == self.digits
            && self
                .when
                .iter()
                .zip(national.chars())
                .all(|(allowed, digit)| allowed.is_empty() || allowed.contains(digit))
    }

    fn today(&self, national: &str) -> String {
        let (head, tail) = national.split_at(self.at);
        format!("{}{head}{}{}", self.country, self.insert, &tail[self.remove..])
    }

    /// What the number was written like before, if that can be told.
    fn before(&self, national: &str) -> Option<String> {
        let (head, tail) = national.split_at_checked(self.at)?;
        let tail = tail.strip_prefix(self.insert)?;
        let removed: Option<String> = (self.at..self.at + self.remove)
            .map(|place| self.when.get(place).filter(|digits| digits.len() == 1).copied())
            .collect();
        let old = format!("{head}{}{tail}", removed?);
        self.fits(&old).then_some(old)
    }
}

/// The digits of an international number, without its plus, as they are written today.
pub fn today(digits: &str) -> String {
    let fitting = RENUMBERED.iter().find_map(|row| {
        let national = digits.strip_prefix(row.country)?;
        (digits.is_ascii() && row.fits(national)).then(|| row.today(national))
    });
    fitting.unwrap_or_else(|| digits.to_owned())
}

/// What the digits of an international number were written like until a row of `version` or later was known.
pub fn before(digits: &str, version: u32) -> Vec<String> {
    let rows = RENUMBERED.iter().filter(|row| row.version >= version && digits.is_ascii());
    let old = rows.filter_map(|row| {
        let old = format!("{}{}", row.country, row.before(digits.strip_prefix(row.country)?)?);
        (today(&old) == digits).then_some(old)
    });
    old.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old and new, for each row in its order.
    const EXAMPLES: &[(&str, &str)] = &[
        ("551187654321", "5511987654321"),
        ("5215512345678", "525512345678"),
        ("541123456789", "5491123456789"),
        ("22520812345", "2252120812345"),
        ("22520012345", "2252520012345"),
        ("22520212345", "2252720212345"),
        ("22501234567", "2250101234567"),
        ("22505123456", "2250505123456"),
        ("22507139912", "2250707139912"),
        ("22997123456", "2290197123456"),
        ("2411717171", "24111717171"),
        ("2416111111", "24166111111"),
        ("2417280150", "24177280150"),
        ("24101717171", "24111717171"),
        ("24106111111", "24166111111"),
        ("24107280150", "24177280150"),
        ("841201234567", "84701234567"),
        ("841211234567", "84791234567"),
        ("841221234567", "84771234567"),
        ("841261234567", "84761234567"),
        ("841281234567", "84781234567"),
        ("841231234567", "84831234567"),
        ("841241234567", "84841234567"),
        ("841251234567", "84851234567"),
        ("841271234567", "84811234567"),
        ("841291234567", "84821234567"),
        ("841691234567", "84391234567"),
        ("841861234567", "84561234567"),
        ("841881234567", "84581234567"),
        ("841991234567", "84591234567"),
    ];

    #[test]
    fn each_row_makes_todays_number_and_can_be_undone() {
        assert_eq!(EXAMPLES.len(), RENUMBERED.len());
        for ((old, new), row) in EXAMPLES.iter().zip(RENUMBERED) {
            let fits = |row: &Renumbered| old.strip_prefix(row.country).is_some_and(|national| row.fits(national));
            assert_eq!(RENUMBERED.iter().find(|row| fits(row)), Some(row), "{old} is of another row");
            assert_eq!(today(old), *new);
            assert_eq!(today(new), *new, "today's stays");
            assert!(before(new, 1).contains(&(*old).to_owned()), "{new}");
        }
        assert_eq!(before("5511987654321", 2), [""; 0], "known since version 1");
    }

    #[test]
    fn what_was_not_renumbered_stays() {
        for number in [
            "551132654321",
            "541188",
            "548001234567",
            "22507071399123",
            "22513123456",
            "2290197123456",
            "2411111111111",
            "84912345678",
            "393471234567",
            "16505551234",
            "4930123456",
            "",
            "55",
            "é",
        ] {
            assert_eq!(today(number), number);
        }
    }
}
