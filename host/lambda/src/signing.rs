//! The role that signs what connectors send to AWS: another one than the function's own, which reads the table.

use std::future::Future;
use std::pin::Pin;

use rapport_connections::SigningRole;
use rapport_egress::AwsKeys;
use rapport_store::aws::role::{Role, RoleKeys};

/// A role that the function's own one may assume.
pub(crate) struct AssumedRole(pub Role);

impl SigningRole for AssumedRole {
    fn keys(&self) -> Pin<Box<dyn Future<Output = Result<AwsKeys, String>> + Send + '_>> {
        Box::pin(async move {
            let keys = self.0.keys().await.map_err(|error| error.to_string())?;
            let RoleKeys { access_key_id, secret_access_key, session_token } = keys;
            Ok(AwsKeys { access_key_id, secret_access_key, session_token: Some(session_token) })
        })
    }
}
