//! Bodies that nobody should send.

/// Brackets of a body that is nested deeper than any stack.
const NESTED: usize = 10_000;
/// Bytes of the largest body that the host takes.
const LARGEST_BYTES: usize = 1 << 20;
/// Bytes of a random body.
const RANDOM_BYTES_MAX: u64 = 2_048;

/// Bodies that nobody should send, each with what it is: some of no relation to `original`, some made of it.
pub(super) fn bodies(original: &[u8], random: usize) -> Vec<(Vec<u8>, String)> {
    let mut bodies: Vec<(Vec<u8>, String)> =
        foreign().into_iter().map(|(body, what)| (body.into_bytes(), what.to_owned())).collect();
    bodies.push((b"\xff\xfe\x00\x80".to_vec(), "bytes that are no UTF-8".into()));
    bodies.push((vec![0; 64], "64 NULs".into()));
    bodies.extend(made_of(original));
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for index in 0..random {
        let body = match index % 3 {
            0 => numbers.bytes(),
            1 => numbers.json(4).into_bytes(),
            _ => numbers.mutant(original),
        };
        let what = ["random bytes", "random JSON", "a mutant of the body"][index % 3];
        bodies.push((body, format!("{what}, number {index}")));
    }
    bodies
}

fn foreign() -> Vec<(String, &'static str)> {
    let deep = |open: &str, close: &str| open.repeat(NESTED) + &close.repeat(NESTED);
    let many = |field: &str| field.repeat(LARGEST_BYTES / field.len());
    vec![
        (String::new(), "an empty body"),
        ("null".into(), "null"),
        ("0".into(), "a number"),
        ("\"\"".into(), "a string"),
        ("[]".into(), "an empty array"),
        ("{}".into(), "an empty object"),
        ("[null,1,\"x\",[],{}]".into(), "an array of everything"),
        ("{".into(), "an object that does not end"),
        ("\"\\ud800\"".into(), "a lone surrogate"),
        ("{\"\\ud800\":\"\\udc00\\u0000\"}".into(), "lone surrogates and a NUL in an object"),
        ("1e400".into(), "a number that is too large"),
        ("9".repeat(NESTED), "a number of 10,000 digits"),
        (deep("[", "]"), "10,000 arrays in each other"),
        (deep("{\"a\":", "}"), "10,000 objects in each other"),
        (many("["), "a mebibyte of `[`"),
        (many("{\"a\":"), "a mebibyte of `{\"a\":`"),
        (format!("[{}0]", many("0,")), "a mebibyte of numbers"),
        (format!("\"{}\"", "\\".repeat(LARGEST_BYTES)), "a mebibyte of backslashes"),
        (many("a=1&"), "a mebibyte of form fields"),
        ("&&&=&=%&%zz=%f&a==&é=\u{1F44B}".into(), "a form of rubbish"),
        (many("--x\r\n\r\n"), "a mebibyte of multipart boundaries"),
    ]
}

/// What is left, doubled or out of place of a good body.
fn made_of(original: &[u8]) -> Vec<(Vec<u8>, String)> {
    let half = original.len() / 2;
    let text = String::from_utf8_lossy(original);
    // A string's closing quote and a number's digits are where parsers that count by hand go wrong.
    let deeper = text.replacen(':', &format!(":{}", "[".repeat(NESTED)), 1);
    let huge = text.replace('1', "1e308");
    let digits = text.replacen('1', &"1".repeat(NESTED), 1);
    let lone = text.replace("\",\"", "\\ud83d\",\"");
    let nul = text.replace("\",\"", "\\u0000\",\"");
    vec![
        (original[..half].to_vec(), "the first half of the body".into()),
        (original[half..].to_vec(), "the second half of the body".into()),
        ([original, original].concat(), "the body twice".into()),
        ([original, b"\0"].concat(), "the body and a NUL".into()),
        ([b"\xef\xbb\xbf", original].concat(), "a byte order mark and the body".into()),
        (deeper.into_bytes(), "10,000 arrays in a field".into()),
        (huge.into_bytes(), "every 1 a number that is too large".into()),
        (digits.into_bytes(), "10,000 digits in a field".into()),
        (lone.into_bytes(), "strings that end in a lone surrogate".into()),
        (nul.into_bytes(), "strings that end in a NUL".into()),
        (text.replace('"', "'").into_bytes(), "other quotes".into()),
        (text.replace(['0', '2', '3'], "-").into_bytes(), "signs instead of digits".into()),
        (
            text.replace(|character: char| character.is_ascii_digit(), "9").into_bytes(),
            "nines instead of digits".into(),
        ),
        (
            text.replace(|character: char| character.is_ascii_lowercase(), "é").into_bytes(),
            "é instead of letters".into(),
        ),
    ]
}

/// A generator of numbers, always the same ones: xorshift64* (Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() % RANDOM_BYTES_MAX;
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn json(&mut self, depth: usize) -> String {
        const SCALARS: [&str; 8] = ["null", "true", "-0", "1767225600", "1e19", "\"\"", "\"\u{1F44B}\"", "\"0\""];
        const NAMES: [&str; 8] = ["id", "type", "messages", "entry", "data", "from", "time", ""];
        let count = self.below(4);
        match self.below(if depth == 0 { 1 } else { 3 }) {
            0 => SCALARS[self.below(SCALARS.len())].to_owned(),
            1 => format!("[{}]", (0..count).map(|_| self.json(depth - 1)).collect::<Vec<_>>().join(",")),
            _ => {
                let fields: Vec<String> = (0..count)
                    .map(|_| format!("\"{}\":{}", NAMES[self.below(NAMES.len())], self.json(depth - 1)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    /// A body of which pieces are gone, doubled or changed.
    fn mutant(&mut self, original: &[u8]) -> Vec<u8> {
        let mut body = original.to_vec();
        for _ in 0..=self.below(4) {
            let start = self.below(body.len());
            let end = (start + self.below(16)).min(body.len());
            match self.below(3) {
                0 => drop(body.drain(start..end)),
                1 => {
                    let piece = body[start..end].to_vec();
                    body.splice(start..start, piece);
                }
                _ => body[start..end].iter_mut().for_each(|byte| *byte ^= 1 << (start % 8)),
            }
        }
        body
    }
}
