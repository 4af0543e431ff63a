//! The order of the header fields means nothing. Fields of one name keep theirs: a proxy may not change it either.

use super::Trial;
use crate::testing::report::Findings;
use crate::testing::subject::Moment;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    for case in &trial.cases {
        let (webhook, connection) = (&case.fixture.webhook, &case.fixture.connection);
        for (headers, order) in orders(&webhook.headers) {
            findings.cases += 1;
            let reordered = crate::Webhook { headers, ..webhook.clone() };
            let answer = trial.subject_of(case).receive(connection, &reordered, Moment::of(connection));
            if !answer.is_same_as(&case.answer) {
                let found = answer.fault().unwrap_or_else(|| answer.kind.name());
                findings.fail(format!("{}: with the header fields {order} it is {found}, or other bytes", case.name()));
                break;
            }
        }
    }
}

type Headers = Vec<(String, String)>;

fn orders(headers: &Headers) -> Vec<(Headers, &'static str)> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in headers {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.len() < 2 {
        return Vec::new();
    }
    let of_names = |names: &[&str]| -> Headers {
        names.iter().flat_map(|name| headers.iter().filter(move |(found, _)| found == name).cloned()).collect()
    };
    let mut reversed = names.clone();
    reversed.reverse();
    let mut by_one = names.clone();
    by_one.rotate_left(1);
    let mut by_half = names.clone();
    by_half.rotate_left(names.len() / 2);
    vec![
        (of_names(&reversed), "reversed"),
        (of_names(&by_one), "rotated by one"),
        (of_names(&by_half), "rotated by half"),
    ]
}
