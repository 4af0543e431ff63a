//! Buttons and lists: what a customer can tap.

use rapport_sdk::prelude::*;
use serde_json::{Value, json};

use super::limits::{
    BUTTON_ID_CHARACTERS_MAX, BUTTON_TITLE_CHARACTERS_MAX, BUTTONS_MAX, CHOICES_TEXT_CHARACTERS_MAX,
    LIST_BUTTON_CHARACTERS_MAX, ROW_ID_CHARACTERS_MAX, ROW_TITLE_CHARACTERS_MAX, ROWS_MAX,
};

/// Buttons below a text, or a list if they are too many or too long for buttons.
///
/// # Errors
/// `UnsupportedContent` with the limit that is passed.
pub fn content(text: &str, choices: &[Choice], list_button: &str, at: usize) -> Result<Value, Failure> {
    let wrong = |why: String| Err(Failure::UnsupportedContent(format!("parts[{at}]: {why}")));
    let found = characters(text);
    if found > CHOICES_TEXT_CHARACTERS_MAX {
        return wrong(format!(
            "the text above choices has {found} characters, at most {CHOICES_TEXT_CHARACTERS_MAX} are taken; fix: send \
             the long text first, and a short one with the choices"
        ));
    }
    if choices.is_empty() || choices.len() > ROWS_MAX {
        return wrong(format!("{} choices, expected 1 to {ROWS_MAX}; fix: offer fewer", choices.len()));
    }
    if let Some(index) = choices.iter().position(|choice| choice.id.trim().is_empty() || choice.title.trim().is_empty())
    {
        return wrong(format!("choice {index} has no id or no title; fix: give it both"));
    }
    let is_repeated =
        |index: usize, of: fn(&Choice) -> &str| choices[..index].iter().any(|before| of(before) == of(&choices[index]));
    let repeated = (0..choices.len())
        .find(|index| is_repeated(*index, |choice| &choice.id) || is_repeated(*index, |choice| &choice.title));
    if let Some(index) = repeated {
        return wrong(format!("choice {index} has the id or the title of an earlier one; fix: give each its own"));
    }
    let fits = |title: usize, id: usize| {
        choices.iter().all(|choice| characters(&choice.title) <= title && characters(&choice.id) <= id)
    };
    if choices.len() <= BUTTONS_MAX && fits(BUTTON_TITLE_CHARACTERS_MAX, BUTTON_ID_CHARACTERS_MAX) {
        return Ok(buttons(text, choices));
    }
    if !fits(ROW_TITLE_CHARACTERS_MAX, ROW_ID_CHARACTERS_MAX) {
        return wrong(format!(
            "a choice is too long; fix: a title of at most {ROW_TITLE_CHARACTERS_MAX} characters and an id of at most \
             {ROW_ID_CHARACTERS_MAX}"
        ));
    }
    if list_button.trim().is_empty() || characters(list_button) > LIST_BUTTON_CHARACTERS_MAX {
        return wrong(format!(
            "the button that opens the list needs 1 to {LIST_BUTTON_CHARACTERS_MAX} characters; fix: `list-button` of the \
             connection, or the extension `com.whatsapp.list-button`"
        ));
    }
    Ok(list(text, choices, list_button))
}

fn buttons(text: &str, choices: &[Choice]) -> Value {
    let button = |choice: &Choice| json!({ "type": "reply", "reply": { "id": choice.id, "title": choice.title } });
    let buttons: Vec<Value> = choices.iter().map(button).collect();
    json!({ "type": "button", "body": { "text": text }, "action": { "buttons": buttons } })
}

fn list(text: &str, choices: &[Choice], button: &str) -> Value {
    let row = |choice: &Choice| json!({ "id": choice.id, "title": choice.title });
    let rows: Vec<Value> = choices.iter().map(row).collect();
    json!({ "type": "list", "body": { "text": text }, "action": { "button": button, "sections": [{ "rows": rows }] } })
}

fn characters(text: &str) -> usize {
    text.chars().count()
}
