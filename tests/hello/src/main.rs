//! A function that says hello: what `bootstrap` would be with nothing of ours in it, for `benches/lambda.rs`.
//!
//! The same runtime crate, the same kind of executor and the same answer as to an HTTP event. No table, secret, log or
//! package.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(hello)))
}

async fn hello(_: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    Ok(json!({"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "hello", "isBase64Encoded": false}))
}
