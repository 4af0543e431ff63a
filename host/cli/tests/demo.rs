//! `rapport demo`, as whoever reads the README runs it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Lines that a person reads at once.
const LINES_MAX: usize = 60;
/// Lines of "Still serving", which `--exit` leaves out.
const SERVING_LINES: usize = 4;

#[test]
fn the_demo_is_short_tells_what_is_sent_and_has_the_readme_s_lines() {
    let command = Path::new(env!("CARGO_BIN_EXE_rapport"));
    let target = command.parent().and_then(Path::parent).expect("cargo puts it into a profile's folder");
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the top");
    let output = Command::new(command)
        .args(["demo", "--exit"])
        .current_dir(top)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() + SERVING_LINES <= LINES_MAX, "{} lines:\n{told}", lines.len());

    let begins = |word: &str| lines.iter().filter(|line| line.trim_start().starts_with(word)).count();
    assert_eq!((begins("409 "), begins("unknown "), begins("sent ")), (1, 1, 2), "{told}");
    assert!(
        told.contains("message              agent: It left this morning, Ada."),
        "the timeline has the answer: {told}"
    );
    let last = lines.iter().rposition(|line| !line.starts_with("  ")).expect("there are headings");
    assert_eq!(lines[last], "What to do next", "{told}");

    let readme = fs::read_to_string(top.join("README.md")).unwrap();
    let (_, shown) = readme.split_once("What providers send, and what they are answered\n").unwrap();
    let (shown, _) = shown.split_once("The resulting profile").unwrap();
    for line in shown.lines().filter(|line| !line.is_empty()) {
        assert!(lines.contains(&line), "`{line}` of the README is not in the demo:\n{told}");
    }
}
