//! The page of one operation in the document: its parameters, its body, its answers and its errors.

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::input::Input;
use crate::problem::Problem;
use rapport_config::scope::Scope;

/// A method of HTTP that some route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Post,
    Delete,
}

impl HttpMethod {
    /// As the document writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
        }
    }
}

impl HttpMethod {
    /// Whether a request is answered by this operation; `HEAD` is answered as `GET`.
    pub fn is(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => *method == Method::POST,
            Self::Delete => *method == Method::DELETE,
        }
    }
}

/// Makes the schema of a type, and of those that it is made of.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// See the module's documentation.
#[derive(Default)]
pub struct OperationDoc {
    /// What a generated client calls the operation.
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    /// Names and meanings of the parameters in the path.
    in_path: Vec<(&'static str, &'static str)>,
    in_query: Option<SchemaOf>,
    /// Names and meanings of the headers that a request must have.
    in_header: Vec<(&'static str, &'static str)>,
    body: Option<Body>,
    answers: Vec<Answer>,
    refusals: Vec<u16>,
    /// The scope that an API key needs. `None`: the operation needs no key.
    scope: Option<Scope>,
}

enum Body {
    Json { schema: SchemaOf, required: BodyRequired },
    Bytes,
}

/// Whether a request may come without a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BodyRequired {
    Yes,
    No,
}

struct Answer {
    status: String,
    meaning: &'static str,
    content: Content,
    headers: &'static [(&'static str, &'static str)],
}

enum Content {
    Json(SchemaOf),
    /// Any body: a connector decides.
    Any,
}

/// The generators of one document. Optional fields of a request may be left out; those of an answer are always there.
pub struct Generators {
    pub takes: SchemaGenerator,
    pub gives: SchemaGenerator,
}

impl OperationDoc {
    /// An operation: its `operationId`, which generated clients make their functions of, and what it does.
    pub fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, ..Self::default() }
    }

    /// The description, after the summary.
    pub fn described(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// A parameter in the path.
    pub fn parameter(mut self, name: &'static str, meaning: &'static str) -> Self {
        self.in_path.push((name, meaning));
        self
    }

    /// A header that a request must have.
    pub fn header(mut self, name: &'static str, meaning: &'static str) -> Self {
        self.in_header.push((name, meaning));
        self
    }

    /// Parameters in the query: the fields of a type.
    pub fn query<T: Input>(self) -> Self {
        Self { in_query: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    /// A body of JSON.
    pub fn takes<T: Input>(self, required: BodyRequired) -> Self {
        Self { body: Some(Body::Json { schema: SchemaGenerator::subschema_for::<T>, required }), ..self }
    }

    /// A body of bytes.
    pub fn takes_bytes(self) -> Self {
        Self { body: Some(Body::Bytes), ..self }
    }

    /// An answer of JSON.
    pub fn gives<T: JsonSchema>(self, status: u16, meaning: &'static str) -> Self {
        self.answered(status.to_string(), meaning, Content::Json(SchemaGenerator::subschema_for::<T>))
    }

    /// An answer whose body is anything.
    pub fn answer(self, status: u16, meaning: &'static str) -> Self {
        self.answered(status.to_string(), meaning, Content::Any)
    }

    /// Any other status that a connector answers its provider with.
    pub fn answers_as_connector(self) -> Self {
        self.answered("default".to_owned(), "Any other answer of the connector to its provider", Content::Any)
    }

    /// Headers of the last answer, with their meanings.
    pub fn with_headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.headers = headers;
        }
        self
    }

    /// The statuses of its errors, beside those that every operation under `/v1` has.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// The scope that an API key needs. It adds the statuses 401 (no key), 403 (no scope), 429 (many wrong keys) and 503 (the
    /// call cannot be recorded).
    pub fn needs(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }.refuses(&[401, 403, 429, 503])
    }

    /// The scope that an API key needs. `None`: the operation needs no key.
    pub fn scope(&self) -> Option<Scope> {
        self.scope
    }

    fn answered(mut self, status: String, meaning: &'static str, content: Content) -> Self {
        self.answers.push(Answer { status, meaning, content, headers: &[] });
        self
    }

    /// The operation object of OpenAPI 3.1.
    pub fn operation(&self, generators: &mut Generators) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), json!(self.id));
        operation.insert("summary".into(), json!(self.summary));
        if !self.description.is_empty() {
            operation.insert("description".into(), json!(self.description));
        }
        operation.insert("parameters".into(), self.parameters(generators));
        match &self.body {
            Some(Body::Json { schema, required }) => {
                let schema = schema(&mut generators.takes);
                let content = json!({"application/json": {"schema": schema}});
                let body = json!({"required": *required == BodyRequired::Yes, "content": content});
                operation.insert("requestBody".into(), body);
            }
            Some(Body::Bytes) => {
                operation.insert("requestBody".into(), json!({"content": {"*/*": {}}}));
            }
            None => {}
        }
        operation.insert("responses".into(), self.responses(generators));
        Value::Object(operation)
    }

    fn parameters(&self, generators: &mut Generators) -> Value {
        let in_path = self.in_path.iter().map(|(name, meaning)| {
            json!({"name": name, "in": "path", "required": true, "description": meaning, "schema": {"type": "string"}})
        });
        let in_header = self.in_header.iter().map(|(name, meaning)| {
            json!({"name": name, "in": "header", "required": true, "description": meaning, "schema": {"type": "string"}})
        });
        let mut parameters: Vec<Value> = in_path.chain(in_header).collect();
        if let Some(schema_of) = self.in_query {
            // The type itself is no component: its fields are parameters.
            let schema = inlined(schema_of, generators);
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let mut field = field.clone();
                let description = field.as_object_mut().and_then(|field| field.remove("description"));
                parameters.push(json!({
                    "name": name,
                    "in": "query",
                    "required": required.contains(&json!(name)),
                    "description": description.unwrap_or_default(),
                    "schema": without_null(field),
                }));
            }
        }
        Value::Array(parameters)
    }

    fn responses(&self, generators: &mut Generators) -> Value {
        let mut responses = Map::new();
        for Answer { status, meaning, content, headers } in &self.answers {
            let mut response = json!({"description": meaning});
            match content {
                Content::Json(schema) => {
                    response["content"] = json!({"application/json": {"schema": schema(&mut generators.gives)}});
                }
                Content::Any => response["content"] = json!({"*/*": {}}),
            }
            for (name, meaning) in *headers {
                response["headers"][name] = json!({"description": meaning, "schema": {"type": "string"}});
            }
            responses.insert(status.clone(), response);
        }
        for status in &self.refusals {
            let problem = generators.gives.subschema_for::<Problem>();
            let meaning = Problem::title_of(*status).unwrap_or("Error");
            let content = json!({"application/problem+json": {"schema": problem}});
            responses.insert(status.to_string(), json!({"description": meaning, "content": content}));
        }
        Value::Object(responses)
    }
}

/// The schema of a type whose fields stand in a query: nothing of it is a component.
fn inlined(schema_of: SchemaOf, generators: &Generators) -> Value {
    let mut settings = generators.takes.settings().clone();
    settings.inline_subschemas = true;
    schema_of(&mut settings.into_generator()).to_value()
}

/// A parameter is left out rather than null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get("type").and_then(Value::as_array) {
        let types: Vec<&Value> = types.iter().filter(|one| **one != "null").collect();
        if let [one] = types[..] {
            schema["type"] = one.clone();
        }
    }
    schema
}
