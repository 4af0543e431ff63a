//! What the fuzz targets share: a connector called natively with a host that says yes to every `verify`, so that what
//! stands behind a signature is reached.

use std::sync::OnceLock;

use rapport_sdk::testing::{Connection, parse_request, read_fixtures, render};
use rapport_sdk::{Inbound, Webhook};

/// Calls a connector with a request in the form of a `.http` fixture; what is none is taken for the body of a POST.
///
/// # Panics
/// When the connector does, or when the same call twice gives two answers.
pub fn receive<C: Inbound>(connector: &str, bytes: &[u8]) {
    let webhook = parse_request(bytes).unwrap_or_else(|_| posted("application/json", bytes));
    for (_, connection) in connections(connector) {
        call::<C>(connection, &webhook);
    }
}

/// Calls a connector with the body of a POST, with the connection of one folder of its fixtures (empty: of all fixtures).
///
/// # Panics
/// As [`receive`].
pub fn post<C: Inbound>(connector: &str, folder: &str, content_type: &str, body: &[u8]) {
    let (_, connection) = connections(connector)
        .iter()
        .find(|(name, _)| name == folder)
        .expect("the folder has a fixture");
    call::<C>(connection, &posted(content_type, body));
}

/// A multipart form with the boundary `BB`.
pub fn form_data(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(format!("--BB\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--BB--\r\n");
    body
}

fn posted(content_type: &str, body: &[u8]) -> Webhook {
    Webhook {
        method: "POST".into(),
        url: "https://rapport.example/hooks/fuzz".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_vec(),
    }
}

fn call<C: Inbound>(connection: &Connection, webhook: &Webhook) {
    let first = connection.receive::<C>(webhook);
    let again = connection.receive::<C>(webhook);
    assert_eq!(render(&first.result), render(&again.result), "the same call twice");
}

/// Each connection of a connector's fixtures, once, by its folder.
fn connections(connector: &str) -> &'static [(String, Connection)] {
    static CONNECTIONS: OnceLock<Vec<(String, Connection)>> = OnceLock::new();
    CONNECTIONS.get_or_init(|| {
        let folder = format!("{}/../../plugins/{connector}", env!("CARGO_MANIFEST_DIR"));
        let mut connections: Vec<(String, Connection)> = Vec::new();
        for fixture in read_fixtures(&folder).expect("the connector has fixtures") {
            let folder = fixture.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            if connections.iter().all(|(known, _)| *known != folder) {
                connections.push((folder, fixture.connection.trusting()));
            }
        }
        connections
    })
}
