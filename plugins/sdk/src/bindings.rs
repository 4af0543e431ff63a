//! The contract of `wit/`, generated. The worlds share one set of types, so that a connector exports any of them.
//!
//! The `serde` attributes give every record its form in JSON, the one that `data` of a CloudEvent and
//! `fixtures/**/*.events.json` have: snake_case names, a variant as a one-key object, `json` as JSON.

#![allow(unused_imports)] // wit-bindgen re-exports each export macro, whether or not this crate calls it.

pub mod inbound {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "inbound-connector",
        pub_export_macro: true,
        export_macro_name: "export_inbound",
        default_bindings_module: "rapport_sdk::bindings::inbound",
        additional_derives: [PartialEq, Clone, serde::Serialize],
        additional_type_attributes: {
            "rapport:connector/types@0.2.0/attestation": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/media-source": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/part": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/author": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/delivery-state": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/covered": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/consent-state": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/metric": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/call-state": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/ticket-state": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/controller": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/types@0.2.0/event-body": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/http@0.2.0/method": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/http@0.2.0/field-value": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/http@0.2.0/payload": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/http@0.2.0/transport-error": [#[serde(rename_all = "snake_case")]],
            "rapport:connector/inbound@0.2.0/rejection": [#[serde(rename_all = "snake_case")]],
        },
        additional_member_attributes: {
            "rapport:connector/types@0.2.0/contact.traits": [#[serde(serialize_with = "crate::contract_json::object")]],
            "rapport:connector/types@0.2.0/part.form": [#[serde(serialize_with = "crate::contract_json::json")]],
            "rapport:connector/types@0.2.0/part.other": [#[serde(serialize_with = "crate::contract_json::named")]],
            "rapport:connector/types@0.2.0/template.parameters": [#[serde(serialize_with = "crate::contract_json::list")]],
            "rapport:connector/types@0.2.0/referral.details": [#[serde(serialize_with = "crate::contract_json::option")]],
            "rapport:connector/types@0.2.0/provider-error.detail": [#[serde(serialize_with = "crate::contract_json::option")]],
            "rapport:connector/types@0.2.0/consent.evidence": [#[serde(serialize_with = "crate::contract_json::option")]],
            "rapport:connector/types@0.2.0/event-body.activity": [#[serde(serialize_with = "crate::contract_json::named")]],
            "rapport:connector/types@0.2.0/event-body.other": [#[serde(serialize_with = "crate::contract_json::named")]],
            "rapport:connector/types@0.2.0/event.body": [#[serde(flatten)]],
            "rapport:connector/types@0.2.0/event.extensions": [#[serde(serialize_with = "crate::contract_json::object")]],
        },
    });
}

pub mod outbound {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "outbound-connector",
        pub_export_macro: true,
        export_macro_name: "export_outbound",
        default_bindings_module: "rapport_sdk::bindings::outbound",
        additional_derives: [PartialEq, Clone],
        with: {
            "rapport:connector/types@0.2.0": super::inbound::rapport::connector::types,
            "rapport:connector/http@0.2.0": super::inbound::rapport::connector::http,
            "rapport:connector/log@0.2.0": super::inbound::rapport::connector::log,
        },
    });
}

pub mod handshake {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "handshake-connector",
        pub_export_macro: true,
        export_macro_name: "export_handshake",
        default_bindings_module: "rapport_sdk::bindings::handshake",
        additional_derives: [PartialEq, Clone],
        with: {
            "rapport:connector/types@0.2.0": super::inbound::rapport::connector::types,
            "rapport:connector/log@0.2.0": super::inbound::rapport::connector::log,
        },
    });
}
