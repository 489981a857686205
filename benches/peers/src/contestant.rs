//! The pools, each with 8 connections and set to what is quickest of what it can do: none asks the server whether a
//! connection is alive before it is lent, and all statements are prepared. All promise an end to waiting.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use stellata::prelude::*;
use stellata_pool::{Config, PoolOptions};
use tokio_postgres::{NoTls, Statement};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// How many connections a pool has.
const CONNECTIONS: u32 = 8;

/// How long a caller waits for one at most: so long that nobody gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked up.
const SQL: &str = "select name from users where id = $1";

/// What a task does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It has a connection lent, lets the others run, and gives it back: only the pool is measured.
    Lend,
    /// It looks up a row by its key.
    LookUp,
}

/// Somebody who does what tasks want.
pub(crate) trait Contestant: Send + Sync + 'static {
    /// Whether the contestant can do nothing but lend.
    const LENDS: bool;

    /// Does it once. Returns how long the task waited for a connection, where it was lent one.
    fn serve(
        &self,
        work: Work,
        id: i32,
    ) -> impl Future<Output = Result<Option<Duration>, Failed>> + Send;
}

/// The name that belongs to a user's number.
fn check(id: i32, name: &str) {
    assert!(name.strip_prefix("user ").and_then(|id| id.parse().ok()) == Some(id), "{id}: {name}");
}

/// A pool whose connections are lent and asked.
pub(crate) struct Lent<P>(pub(crate) P);

impl<P: Pool> Contestant for Lent<P> {
    const LENDS: bool = true;

    async fn serve(&self, work: Work, id: i32) -> Result<Option<Duration>, Failed> {
        let asked = Instant::now();
        let mut lease = self.0.acquire().await?;
        let waited = asked.elapsed();
        match work {
            Work::Lend => tokio::task::yield_now().await,
            Work::LookUp => check(id, &P::look_up(&mut lease, id).await?),
        }
        drop(lease);
        Ok(Some(waited))
    }
}

/// Our models: whoever asks does not see a connection.
pub(crate) struct Models(Db);

#[derive(Model)]
#[model(table = "users")]
struct User {
    #[model(key)]
    id: i32,
    name: String,
}

impl Models {
    pub(crate) fn new(url: &str, options: PoolOptions) -> Result<Self, Failed> {
        let options = options.max(CONNECTIONS as usize).acquire_timeout(PATIENCE);
        Ok(Self(Db::from(stellata_pool::Pool::new(Config::parse(url)?, options))))
    }
}

impl Contestant for Models {
    const LENDS: bool = false;

    async fn serve(&self, _: Work, id: i32) -> Result<Option<Duration>, Failed> {
        let user = User::get(id, &self.0).await?;
        check(user.id, &user.name);
        Ok(None)
    }
}

/// A pool.
pub(crate) trait Pool: Send + Sync + 'static {
    /// A connection that is lent. Dropped, it goes back.
    type Lease: Send;

    /// Lends a connection.
    fn acquire(&self) -> impl Future<Output = Result<Self::Lease, Failed>> + Send;

    /// Asks for a user's name.
    fn look_up(
        lease: &mut Self::Lease,
        id: i32,
    ) -> impl Future<Output = Result<String, Failed>> + Send;
}

/// Ours.
pub(crate) struct Stellata(stellata_pool::Pool);

impl Stellata {
    pub(crate) fn new(url: &str) -> Result<Self, Failed> {
        let options = PoolOptions::new().max(CONNECTIONS as usize).acquire_timeout(PATIENCE);
        Ok(Self(stellata_pool::Pool::new(Config::parse(url)?, options)))
    }
}

impl Pool for Stellata {
    type Lease = stellata_pool::Lease;

    async fn acquire(&self) -> Result<Self::Lease, Failed> {
        Ok(self.0.acquire().await?)
    }

    async fn look_up(lease: &mut Self::Lease, id: i32) -> Result<String, Failed> {
        let (name,) = lease.query_one(SQL, (id,)).await?;
        Ok(name)
    }
}

/// deadpool-postgres, with its own cache of statements.
pub(crate) struct Deadpool(deadpool_postgres::Pool);

impl Deadpool {
    pub(crate) fn new(url: &str) -> Result<Self, Failed> {
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.parse()?, NoTls, settings);
        let builder = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS as usize)
            .wait_timeout(Some(PATIENCE))
            .runtime(Runtime::Tokio1);
        Ok(Self(builder.build()?))
    }
}

impl Pool for Deadpool {
    type Lease = deadpool_postgres::Object;

    async fn acquire(&self) -> Result<Self::Lease, Failed> {
        Ok(self.0.get().await?)
    }

    async fn look_up(lease: &mut Self::Lease, id: i32) -> Result<String, Failed> {
        let statement = lease.prepare_cached(SQL).await?;
        Ok(lease.query_one(&statement, &[&id]).await?.try_get(0)?)
    }
}

/// bb8 with the connections of bb8-postgres. These keep no statements, so that each is lent with the one that is asked.
pub(crate) struct Bb8(bb8::Pool<Prepared>);

/// Opens connections that have their statement prepared.
pub(crate) struct Prepared(bb8_postgres::PostgresConnectionManager<NoTls>);

impl bb8::ManageConnection for Prepared {
    type Connection = (tokio_postgres::Client, Statement);
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        let client = self.0.connect().await?;
        let statement = client.prepare(SQL).await?;
        Ok((client, statement))
    }

    async fn is_valid(&self, lent: &mut Self::Connection) -> Result<(), Self::Error> {
        self.0.is_valid(&mut lent.0).await
    }

    fn has_broken(&self, lent: &mut Self::Connection) -> bool {
        self.0.has_broken(&mut lent.0)
    }
}

impl Bb8 {
    pub(crate) async fn new(url: &str) -> Result<Self, Failed> {
        let manager = bb8_postgres::PostgresConnectionManager::new_from_stringlike(url, NoTls)?;
        let builder = bb8::Pool::builder()
            .max_size(CONNECTIONS)
            .connection_timeout(PATIENCE)
            .test_on_check_out(false);
        Ok(Self(builder.build(Prepared(manager)).await?))
    }
}

impl Pool for Bb8 {
    type Lease = bb8::PooledConnection<'static, Prepared>;

    async fn acquire(&self) -> Result<Self::Lease, Failed> {
        Ok(self.0.get_owned().await?)
    }

    async fn look_up(lease: &mut Self::Lease, id: i32) -> Result<String, Failed> {
        let (client, statement) = &**lease;
        Ok(client.query_one(statement, &[&id]).await?.try_get(0)?)
    }
}

/// The pool of sqlx.
pub(crate) struct Sqlx(sqlx::PgPool);

impl Sqlx {
    pub(crate) fn new(url: &str) -> Result<Self, Failed> {
        let options = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false);
        Ok(Self(options.connect_lazy_with(url.parse::<PgConnectOptions>()?)))
    }
}

impl Pool for Sqlx {
    type Lease = sqlx::pool::PoolConnection<sqlx::Postgres>;

    async fn acquire(&self) -> Result<Self::Lease, Failed> {
        Ok(self.0.acquire().await?)
    }

    async fn look_up(lease: &mut Self::Lease, id: i32) -> Result<String, Failed> {
        Ok(sqlx::query_scalar(SQL).bind(id).fetch_one(&mut **lease).await?)
    }
}
