//! An update in the making: what it sets, removes and adds, and under which conditions.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update};

use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, s};
use crate::on_heap::OnHeap;
use crate::table::{Table, is_conflict};

/// See the module's documentation. In a condition `#name` is the attribute of that name, unless [`Expression::name`] says
/// otherwise: so none of them can be a reserved word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expression {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    delete: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// What came of an update.
pub(crate) enum Updated {
    /// The item as it is now.
    Done(Item),
    /// The condition did not hold: the item as it is; `None`: there is none.
    Unmet(Option<Item>),
}

impl Expression {
    /// Sets an attribute, or removes it.
    pub fn put(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    pub fn set(self, name: &str, value: AttributeValue) -> Self {
        self.set_to(name, &format!(":{name}")).value(name, value)
    }

    /// Sets an attribute to an expression.
    pub fn set_to(mut self, name: &str, expression: &str) -> Self {
        self.names.insert(format!("#{name}"), name.to_owned());
        self.set.push(format!("#{name} = {expression}"));
        self
    }

    pub fn remove(mut self, name: &str) -> Self {
        self.names.insert(format!("#{name}"), name.to_owned());
        self.remove.push(format!("#{name}"));
        self
    }

    /// Adds a text to a set.
    pub fn add_to_set(mut self, name: &str, text: &str) -> Self {
        self.add.push(format!("#{name} :{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self.value(name, AttributeValue::Ss(vec![text.to_owned()]))
    }

    /// Takes a text out of a set.
    pub fn take_from_set(mut self, name: &str, text: &str) -> Self {
        self.delete.push(format!("#{name} :{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self.value(name, AttributeValue::Ss(vec![text.to_owned()]))
    }

    /// One more condition. Values that it needs are given apart.
    pub fn only_if(mut self, condition: &str) -> Self {
        for begin in condition.split('#').skip(1) {
            let end = begin.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(begin.len());
            let name = &begin[..end];
            self.names.entry(format!("#{name}")).or_insert_with(|| name.to_owned());
        }
        self.conditions.push(condition.to_owned());
        self
    }

    pub fn name(mut self, placeholder: &str, name: impl Into<String>) -> Self {
        self.names.insert(format!("#{placeholder}"), name.into());
        self
    }

    pub fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{placeholder}"), value);
        self
    }

    fn update(&self) -> String {
        let clauses = [("SET", &self.set), ("REMOVE", &self.remove), ("ADD", &self.add), ("DELETE", &self.delete)];
        let some = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        some.map(|(word, parts)| format!("{word} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    fn condition(&self) -> Option<String> {
        let all = self.conditions.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" AND ");
        (!all.is_empty()).then_some(all)
    }

    fn of(&self, request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let names = (!self.names.is_empty()).then(|| self.names.clone());
        let values = (!self.values.is_empty()).then(|| self.values.clone());
        request
            .update_expression(self.update())
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// As a part of a transaction.
    pub fn in_transaction(&self, table: &Table, (pk, sk): (&str, &str)) -> Update {
        let names = (!self.names.is_empty()).then(|| self.names.clone());
        let values = (!self.values.is_empty()).then(|| self.values.clone());
        Update::builder()
            .table_name(table.name())
            .key("pk", s(pk))
            .key("sk", s(sk))
            .update_expression(self.update())
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .expect("table, key and expression are given")
    }
}

impl Table {
    /// Makes an update, again while a transaction holds the item.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may be made. [`StoreError::Contended`] by transactions: it is not.
    pub(crate) async fn update(
        &self,
        (pk, sk): (&str, &str),
        expression: &Expression,
        operation: &'static str,
    ) -> Result<Updated, StoreError> {
        let request = self.dynamodb().update_item().table_name(self.name()).key("pk", s(pk)).key("sk", s(sk));
        let request = expression.of(request);
        for attempt in 0..ATTEMPTS_MAX {
            match request.clone().send().on_heap().await {
                Ok(done) => return Ok(Updated::Done(done.attributes.unwrap_or_default())),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => {
                    return match unmet(&error) {
                        Some(item) => Ok(Updated::Unmet(item.cloned())),
                        None => Err(unavailable("UpdateItem")(error)),
                    };
                }
            }
        }
        Err(StoreError::Contended { operation, attempts: ATTEMPTS_MAX })
    }
}

/// The item that an unmet condition met.
fn unmet<R>(error: &SdkError<UpdateItemError, R>) -> Option<Option<&Item>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
            Some(failure.item().filter(|item| !item.is_empty()))
        }
        _ => None,
    }
}
