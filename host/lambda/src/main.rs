//! `bootstrap`: what Lambda starts.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use rapport_lambda::environment::{Environment, Role};
use rapport_lambda::service::Service;
use rapport_lambda::{due_function, feed, fold_function, http, log, send_function};
use rapport_telemetry::FunctionNotStarted;
use serde_json::value::RawValue;

fn main() -> ExitCode {
    log::start(&|name| std::env::var(name).ok());
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            FunctionNotStarted { error: &error }.emit();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let environment = Environment::of(&|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    let role = environment.role;
    let service = Arc::new(Service::new(environment, Instant::now).map_err(|error| error.to_string())?);
    // One thread: an environment has one event at a time and, below 1.8 GB of memory, less than one processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        service.warm_up().await;
        let handle = service_fn(|event| handle(Arc::clone(&service), role, event));
        lambda_runtime::Runtime::new(handle).run().await.map_err(|error| error.to_string())
    })
}

/// An event is taken as JSON of any shape: one that is not for this function is an error of its own, and no more.
async fn handle(
    service: Arc<Service>,
    role: Role,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Diagnostic> {
    match role {
        Role::Webhook | Role::Api => http::answer(service, event).await,
        Role::Feed => feed::answer(service, event).await,
        Role::Fold => fold_function::answer(service, event).await,
        Role::Send => send_function::answer(service, event).await,
        Role::Due => due_function::answer(service, event).await,
    }
}
