//! The real thing: DynamoDB over TLS, large bodies in a bucket, secrets from Secrets Manager, wakes in a queue. One of it a process.

pub(crate) mod bucket;
pub(crate) mod objects;
pub mod queue;
pub mod role;
mod secrets;
mod signed;

use std::sync::Arc;

use aws_credential_types::Credentials;
use rapport_model::{TenantKey, Timestamp};

use crate::blobs::Blobs;
use crate::client;
use crate::concurrent::all_of;
use crate::entropy::Entropy;
use crate::error::StoreError;
use crate::http_client::Tls;
use crate::objects::Objects;
use crate::table::{Access, Claim, Table};
use bucket::Bucket;
use queue::Queue;
use role::Role;
use signed::Signer;

/// Who asks, and where.
pub struct Account {
    /// Such as `eu-west-1`.
    pub region: String,
    pub access_key: AccessKey,
    pub endpoints: Endpoints,
}

/// Temporary credentials, as a function's environment has them. Not printable.
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    /// None: they are not temporary.
    pub session_token: Option<String>,
}

/// Where services are that are not at their usual address: in an emulator, or behind a VPC endpoint.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    pub dynamodb: Option<String>,
    pub s3: Option<String>,
    pub secrets_manager: Option<String>,
    pub sqs: Option<String>,
    pub sts: Option<String>,
}

/// The clients of one account in one region.
#[derive(Clone)]
pub struct Aws {
    signer: Arc<Signer>,
    dynamodb: aws_sdk_dynamodb::Client,
    streams: aws_sdk_dynamodbstreams::Client,
    region: String,
    endpoints: Endpoints,
}

/// Which table, for whom.
#[derive(Clone, Debug)]
pub struct TableOf {
    pub table: String,
    pub tenant: String,
    /// Where large bodies are.
    pub bucket: String,
}

impl Aws {
    /// Makes the clients. Nothing is connected before it is used.
    pub fn new(account: Account) -> Self {
        let Account { region, access_key: AccessKey { id, secret, session_token }, endpoints } = account;
        let credentials = Credentials::new(id, secret, session_token, None, "environment");
        let http = Tls::tls();
        let (dynamodb, streams) = client::clients(client::DynamoEndpoint {
            http: http.clone(),
            credentials: credentials.clone(),
            region: region.clone(),
            endpoint: endpoints.dynamodb.clone(),
        });
        let signer = Arc::new(Signer::new(http, credentials, region.clone()));
        Self { signer, dynamodb, streams, region, endpoints }
    }

    /// Whose a table is, as [`Table::claimant`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn claimant(&self, of: &TableOf) -> Result<Option<String>, StoreError> {
        Table::claimant(&self.dynamodb, &of.table, &of.tenant).await
    }

    /// A table that the deployment has made and that belongs to `claimant`.
    ///
    /// # Errors
    /// As [`Table::attach`].
    pub async fn table(
        &self,
        of: TableOf,
        tenant_key: TenantKey,
        claimant: Option<String>,
        claim: Claim,
    ) -> Result<Table, StoreError> {
        let TableOf { table, tenant, bucket } = of;
        let folder = match &self.endpoints.s3 {
            Some(endpoint) => format!("{}/{bucket}/{tenant}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.{}/{tenant}", self.region, domain(&self.region)),
        };
        let blobs = Blobs::in_bucket(Bucket::new(Arc::clone(&self.signer), folder));
        let (dynamodb, streams) = (self.dynamodb.clone(), self.streams.clone());
        let entropy = Entropy::system();
        let access = Access { dynamodb, streams, table, tenant, tenant_key, blobs, entropy };
        Table::attach(access, claimant, claim).await
    }

    /// Objects of other buckets in this region, as far as the role may read them.
    pub fn objects(&self) -> Objects {
        let regional = || format!("https://s3.{}.{}", self.region, domain(&self.region));
        let endpoint = self.endpoints.s3.as_deref().map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        Objects::in_buckets(objects::Buckets::new(Arc::clone(&self.signer), endpoint.unwrap_or_else(regional)))
    }

    /// The texts of several secrets, by their names or ARNs, in their order; all are asked for at the same time.
    ///
    /// # Errors
    /// As [`Aws::secret`], of the first that cannot be had.
    pub async fn secrets(&self, names: &[String]) -> Result<Vec<String>, StoreError> {
        all_of(names.iter().map(|name| self.secret(name))).await.into_iter().collect()
    }

    /// The text of a secret, by its name or ARN.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with what the service says.
    pub async fn secret(&self, name: &str) -> Result<String, StoreError> {
        let url = self.service("secretsmanager", self.endpoints.secrets_manager.as_ref());
        secrets::text(&self.signer, &url, name).await
    }

    /// The queue of wakes with this URL.
    pub fn queue(&self, queue: String, now: fn() -> Timestamp) -> Queue {
        Queue::new(Arc::clone(&self.signer), self.service("sqs", self.endpoints.sqs.as_ref()), queue, now)
    }

    /// A role that this one may assume, by its ARN.
    pub fn role(&self, arn: String) -> Role {
        Role::new(Arc::clone(&self.signer), self.service("sts", self.endpoints.sts.as_ref()), arn)
    }

    /// The URL of a service in this region, unless it is elsewhere.
    fn service(&self, name: &str, elsewhere: Option<&String>) -> String {
        elsewhere.cloned().unwrap_or_else(|| format!("https://{name}.{}.{}/", self.region, domain(&self.region)))
    }
}

/// The domain of the partition that a region is in.
fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
