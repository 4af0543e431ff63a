//! The `bootstrap` binary of AWS Lambda: events of HTTP and of the table's stream go to the gateway's use cases.
//!
//! Not there yet: it comes with the deployment template. Everything behind it is: `gateway::http::router` is what
//! answers locally, and `gateway::fold::fold_batch` takes a stream's records in either place.
