//! The templates of the account, a page at a time.
//!
//! Source: Meta's "Message templates" and OpenAPI document; `ListWhatsAppMessageTemplates` in botocore's model, November 2026.

use std::collections::BTreeSet;

use rapport_meta::Text;
use rapport_sdk::prelude::*;
use rapport_sdk::sending::Listing;
use serde::Deserialize;

use super::limits::{CURSOR_BYTES_MAX, TEMPLATES_A_PAGE};
use super::way::{TOKEN, Way};
use crate::settings::Aws;

/// Lists a page of templates.
pub fn list(listing: &Listing, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    way.require(&listing.account)?;
    let cursor = listing.cursor.as_deref();
    match &way.settings.aws {
        None => by_graph(cursor, way, steps),
        Some(aws) => by_aws(cursor, aws, way, steps),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Page<'a> {
    #[serde(borrow, deserialize_with = "lenient::objects")]
    data: Vec<Offer<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    paging: Option<Paging<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Paging<'a> {
    #[serde(borrow, deserialize_with = "lenient::object")]
    cursors: Option<Cursors<'a>>,
    /// The URL of the next page; none: this was the last one.
    #[serde(borrow, deserialize_with = "lenient::id")]
    next: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cursors<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    after: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Offer<'a> {
    #[serde(deserialize_with = "lenient::id")]
    name: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    language: Text<'a>,
    #[serde(deserialize_with = "lenient::id")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    category: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    components: Vec<Component<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Component<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    /// Of a header: `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT`, `LOCATION`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    format: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    text: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    buttons: Vec<Button<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Button<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    url: Text<'a>,
}

fn by_graph(cursor: Option<&str>, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let Some(account) = way.settings.business_account_id() else {
        let fix = "`business-account-id`, which WhatsApp › API setup shows";
        return Err(Failure::Other(format!("templates belong to the WhatsApp Business Account; fix: {fix}")).into());
    };
    let request = Request::get(way.graph()).segment(account).path("/message_templates").bearer(TOKEN);
    let request = request.query("fields", "name,language,status,category,components");
    let request = request.query("limit", &TEMPLATES_A_PAGE.to_string());
    let request = match cursor {
        Some(cursor) => request.query("after", cursor),
        None => request,
    };
    let page: Page<'_> = way.success(steps.perform(request)?)?.json()?;
    steps.so_far.templates = page.data.into_iter().filter_map(Offer::into_offer).collect();
    let paging = page.paging.filter(|paging| paging.next.is_some());
    let after = paging.and_then(|paging| paging.cursors).and_then(|cursors| cursors.after);
    go_on(after.map(|cursor| cursor.into_owned()), steps)
}

/// AWS does not list the texts: those need a request for each template.
fn by_aws(cursor: Option<&str>, aws: &Aws, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Page {
        #[serde(deserialize_with = "lenient::objects")]
        templates: Vec<Summary>,
        next_token: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Summary {
        template_name: Option<String>,
        template_language: Option<String>,
        template_status: Option<String>,
        template_category: Option<String>,
    }
    let Some(account) = &aws.business_account else {
        let fix = "`aws.business-account` with AWS's id, such as `waba-…`";
        return Err(Failure::Other(format!("templates belong to the WhatsApp Business Account; fix: {fix}")).into());
    };
    let request = Way::aws_get(aws, "/v1/whatsapp/template/list").query("id", account);
    let request = match cursor {
        Some(token) => request.query("nextToken", token),
        None => request,
    };
    let page: Page = way.success(steps.perform(request)?)?.json()?;
    let offer = |found: Summary| {
        Some(TemplateOffer {
            name: found.template_name?,
            locale: found.template_language?.replace('_', "-"),
            status: found.template_status.unwrap_or_default(),
            category: found.template_category.unwrap_or_default(),
            body: None,
            variables: Vec::new(),
            extensions: Vec::new(),
        })
    };
    steps.so_far.templates = page.templates.into_iter().filter_map(offer).collect();
    go_on(page.next_token, steps)
}

/// Says where the next page begins.
fn go_on(cursor: Option<String>, steps: &mut Steps<'_>) -> Result<(), Stop> {
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
        let title = format!("the cursor of the next page has more than {CURSOR_BYTES_MAX} bytes");
        return Err(Failure::Provider(ProviderError::new("answer/unreadable", title)).into());
    }
    steps.so_far.cursor = cursor;
    Ok(())
}

impl Offer<'_> {
    fn into_offer(self) -> Option<TemplateOffer> {
        let body = self.components.iter().find(|component| component.kind.as_deref() == Some("BODY"));
        Some(TemplateOffer {
            variables: self.variables(),
            body: body.and_then(|body| body.text.as_deref()).map(str::to_owned),
            name: self.name?,
            locale: self.language?.replace('_', "-"),
            status: self.status.unwrap_or_default(),
            category: self.category.unwrap_or_default(),
            extensions: Vec::new(),
        })
    }

    /// Places of the body by their names or numbers; of others with where they are: `header.1`, `header.image`, `button.0`.
    fn variables(&self) -> Vec<String> {
        let mut variables = Vec::new();
        for component in &self.components {
            let text = component.text.as_deref().unwrap_or_default();
            match (component.kind.as_deref(), component.format.as_deref()) {
                (Some("HEADER"), None | Some("TEXT")) => {
                    variables.extend(places(text).into_iter().map(|place| format!("header.{place}")));
                }
                (Some("HEADER"), Some(format)) => variables.push(format!("header.{}", format.to_ascii_lowercase())),
                (Some("BODY"), _) => variables.extend(places(text)),
                (Some("BUTTONS"), _) => {
                    let is_filled = |button: &Button<'_>| {
                        let is_copied = button.kind.as_deref() == Some("COPY_CODE");
                        is_copied || button.url.as_deref().is_some_and(|url| !places(url).is_empty())
                    };
                    let filled = component.buttons.iter().enumerate().filter(|(_, button)| is_filled(button));
                    variables.extend(filled.map(|(index, _)| format!("button.{index}")));
                }
                _ => {}
            }
        }
        variables
    }
}

/// What stands in `{{` and `}}`, each once, in order.
fn places(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let after = text.split("{{").skip(1);
    let names = after.filter_map(|rest| Some(rest.split_once("}}")?.0.trim().to_owned()));
    names.filter(|name| !name.is_empty() && seen.insert(name.clone())).collect()
}
