//! Reads the query and the body of a request as a type. They are checked against the same schema that the document shows,
//! and a refusal names the field. No refusal repeats a value, because it may be an address.

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, header};
use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use rapport_model::spelling::fix_for_unknown_key;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Bytes. The longest request of the API, rules for a preview with a long list of junk, has a few thousand.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// A parameter of a path. If it is not UTF-8, the refusal is a problem like any other.
pub type InPath<T> = Result<Path<T>, PathRejection>;

/// What a request may say in its query or body. [`inputs!`] makes one of a type.
pub trait Input: DeserializeOwned + JsonSchema {
    /// The check of this type, made once.
    fn check() -> &'static Check;
}

/// Makes inputs of types.
#[macro_export]
macro_rules! inputs {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::input::Input for $name {
            fn check() -> &'static $crate::input::Check {
                static CHECK: std::sync::LazyLock<$crate::input::Check> =
                    std::sync::LazyLock::new($crate::input::Check::of::<$name>);
                &CHECK
            }
        }
    )+};
}

/// The schema of a type, ready to check values.
pub struct Check {
    schema: Value,
    validator: Validator,
}

impl Check {
    /// Of a type, without references.
    pub fn of<T: JsonSchema>() -> Self {
        let settings =
            SchemaSettings::draft2020_12().for_deserialize().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let validator = jsonschema::validator_for(&schema).expect("a schema made of a type is one");
        Self { schema, validator }
    }

    /// A value as its type.
    fn read<T: DeserializeOwned>(&self, value: Value, place: &str) -> Result<T, Problem> {
        if let Some(refusal) = self.refusal(&value, place) {
            return Err(refusal);
        }
        // What a schema cannot say, such as the last day of a month.
        serde_json::from_value(value)
            .map_err(|_| Problem::bad_request(format!("the {place} is not as /openapi.json documents it")))
    }

    /// The first mistake. What is unknown comes first: it is often the misspelt name of what is missing.
    fn refusal(&self, value: &Value, place: &str) -> Option<Problem> {
        let mut errors: Vec<_> = self.validator.iter_errors(value).collect();
        errors.sort_by_key(|error| !matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. }));
        let error = errors.first()?;
        let at = error.instance_path().to_string();
        let at = at.trim_start_matches('/').replace('/', ".");
        let inside = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        Some(match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let name = unexpected.first().map(String::as_str).unwrap_or_default();
                let fix = fix_for_unknown_key(name, &self.known_beside(&error.schema_path().to_string()));
                let field: String = inside(name).chars().take(FIELD_CHARS_MAX).collect();
                Problem::bad_request(format!("unknown {place} `{field}`; fix: {fix}")).of_field(field)
            }
            ValidationErrorKind::Required { property } => {
                let field = inside(property.as_str().unwrap_or_default());
                Problem::bad_request(format!("{place} `{field}` is missing")).of_field(field)
            }
            kind if at.is_empty() => Problem::bad_request(format!("the {place} is {}", expected(kind))),
            kind => {
                let field: String = at.chars().take(FIELD_CHARS_MAX).collect();
                Problem::bad_request(format!("{place} `{field}` is {}", expected(kind))).of_field(field)
            }
        })
    }

    /// The names that are known where an unknown one was found.
    fn known_beside(&self, schema_path: &str) -> Vec<&str> {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self.schema.pointer(&format!("{parent}/properties")).and_then(Value::as_object);
        properties.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }

    /// Whether a field need not be given, and an empty text would mean nothing of its own.
    fn may_be_left_out(&self, name: &str) -> bool {
        let is_required = self.schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let field = &self.schema["properties"][name];
        field.is_object() && !is_required && field["minLength"].is_null()
    }

    /// Whether a field is a number: a query has only texts.
    fn is_number(&self, name: &str) -> bool {
        let kinds = &self.schema["properties"][name]["type"];
        *kinds == "integer" || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "integer"))
    }
}

/// Characters of an unknown field's name that a refusal repeats.
const FIELD_CHARS_MAX: usize = 100;

/// What a value is not, or is too much of.
fn expected(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("not of type {kind}"),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").collect();
            format!("not of type {}", kinds.join(" or "))
        }
        ValidationErrorKind::MaxLength { limit } => format!("too long: at most {limit} characters are allowed"),
        ValidationErrorKind::MinLength { limit: 1 } => "empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("too short: at least {limit} characters are needed"),
        ValidationErrorKind::Maximum { limit } => format!("too large: at most {limit}"),
        ValidationErrorKind::Minimum { limit } => format!("too small: at least {limit}"),
        ValidationErrorKind::MaxItems { limit } => format!("too long: at most {limit} items are allowed"),
        ValidationErrorKind::MaxProperties { limit } => format!("too large: at most {limit} fields are allowed"),
        ValidationErrorKind::Enum { options } => format!("not one of {options}"),
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let options = context.iter().flatten().filter_map(|error| match error.kind() {
                ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
                ValidationErrorKind::Enum { options } => Some(options.to_string()),
                _ => None,
            });
            match options.collect::<Vec<_>>() {
                options if options.is_empty() => "not in a form that /openapi.json documents".to_owned(),
                options => format!("not one of {}", options.join(", ")),
            }
        }
        other => format!("not valid by its `{}` in /openapi.json", other.keyword()),
    }
}

/// The query of a request.
pub struct InQuery<T>(pub T);

impl<T: Input, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs): Query<Vec<(String, String)>> = Query::from_request_parts(parts, state).await?;
        let mut fields = Map::new();
        for (name, text) in pairs {
            let shown: String = name.chars().take(FIELD_CHARS_MAX).collect();
            if fields.contains_key(&name) {
                let twice = Problem::bad_request(format!("query parameter `{shown}` is given twice"));
                return Err(twice.of_field(shown));
            }
            let number = text.parse().ok().filter(|_| T::check().is_number(&name));
            // An empty parameter is how forms and clients leave one out, if it may be left out.
            if text.is_empty() && T::check().may_be_left_out(&name) {
                continue;
            }
            fields.insert(name, number.map_or(Value::String(text), |number: i64| Value::from(number)));
        }
        T::check().read(Value::Object(fields), "query parameter").map(Self)
    }
}

/// A body of JSON.
pub async fn json_body<T: Input>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let bytes = read_body(headers, body, BODY_BYTES_MAX).await?;
    read_json(headers, &bytes)
}

/// A body of JSON, or none at all: then every field is left out.
pub async fn json_body_opt<T: Input + Default>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let bytes = read_body(headers, body, BODY_BYTES_MAX).await?;
    if bytes.is_empty() { Ok(T::default()) } else { read_json(headers, &bytes) }
}

/// JSON of a type, in a header or a query.
pub fn json_text<T: Input>(text: &str, place: &str) -> Result<T, Problem> {
    T::check().read(parse(text.as_bytes())?, place)
}

fn read_json<T: Input>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type(
            "the body must be JSON; fix: send `Content-Type: application/json`",
        ));
    }
    T::check().read(parse(bytes)?, "field")
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(format!("not valid JSON at line {line}, column {column}"))
    })
}

/// A whole body of at most so many bytes.
pub async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {bytes_max} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_limit(&error) => Err(too_large()),
        Err(_) => Err(Problem::bad_request("the body is incomplete")),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string() == "length limit exceeded")
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}
