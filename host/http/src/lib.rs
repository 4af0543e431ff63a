//! What every HTTP surface shares: problems (RFC 9457), routes with their pages in the document, what a request says as a
//! type, request ids. It knows no use case.

pub mod input;
pub mod middleware;
pub mod page;
pub mod problem;
pub mod route;

pub use middleware::{PublicUrl, RequestId, served};
pub use problem::Problem;
