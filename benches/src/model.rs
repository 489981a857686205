//! The workloads through the derive, the typed query and the pool.

use stellata::Result;
use stellata::prelude::*;

/// A row of `users`.
#[derive(Model, Debug, Clone)]
#[model(table = "users")]
pub struct User {
    /// The key.
    #[model(key, identity)]
    pub id: Id<User, i32>,
    /// The name.
    pub name: String,
    /// The colour; NULL for every other user.
    pub hair_color: Option<String>,
    /// When the row was made.
    #[model(default_sql = "now()")]
    pub created_at: DateTime<Utc>,
    /// What the user wrote.
    #[model(has_many = Post::user_id)]
    pub posts: HasMany<Post>,
}

/// A row of `posts`.
#[derive(Model, Debug, Clone)]
#[model(table = "posts")]
pub struct Post {
    /// The key.
    #[model(key, identity)]
    pub id: Id<Post, i32>,
    /// Who wrote it.
    pub user_id: Id<User, i32>,
    /// The title.
    pub title: String,
    /// The text; NULL for every other post.
    pub body: Option<String>,
    /// Who wrote it, loaded.
    #[model(belongs_to = user_id)]
    pub user: BelongsTo<User>,
    /// What others wrote about it.
    #[model(has_many = Comment::post_id)]
    pub comments: HasMany<Comment>,
}

/// A row of `comments`.
#[derive(Model, Debug, Clone)]
#[model(table = "comments")]
pub struct Comment {
    /// The key.
    #[model(key, identity)]
    pub id: Id<Comment, i32>,
    /// What it is about.
    pub post_id: Id<Post, i32>,
    /// The text.
    pub text: String,
    /// What it is about, loaded.
    #[model(belongs_to = post_id)]
    pub post: BelongsTo<Post>,
}

/// W1: one user by key.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Entity::get`].
pub async fn point(db: &Db, id: i32) -> Result<User> {
    User::get(id, db).await
}

/// W1: the first user that a filter leaves.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Query::first`].
pub async fn filtered(db: &Db, id: i32) -> Result<Option<User>> {
    User::query().filter(|u| u.id.eq(id)).first(db).await
}

/// W2: all users.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Query::all`].
pub async fn all(db: &Db) -> Result<Vec<User>> {
    User::query().all(db).await
}

/// W3: one insert, which gives the row back.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Insert::insert`].
pub async fn insert(db: &Db, name: &str, color: Option<&str>) -> Result<User> {
    new_user(name, color).insert(db).await
}

/// A row that is to be inserted.
#[must_use]
pub fn new_user(name: &str, color: Option<&str>) -> <User as Model>::New {
    new!(User { name: name, hair_color: color.map(str::to_owned) })
}

/// W3: many inserts.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`stellata::InsertMany::exec`].
pub async fn insert_many(db: &Db, users: Vec<<User as Model>::New>) -> Result<u64> {
    User::insert_many(users).exec(db).await
}

/// W4: users with their posts and the comments on these.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Query::all`].
pub async fn graph(db: &Db, users: i32) -> Result<Vec<User>> {
    User::query()
        .filter(|u| u.id.le(users))
        .include(|u| u.posts().include(|p| p.comments()))
        .all(db)
        .await
}

/// Two statements in a transaction.
///
/// # Errors
/// What the model layer says.
///
/// # Cancel safety
/// That of [`Db::transaction`].
pub async fn transaction(db: &Db, id: i32) -> Result<()> {
    db.transaction(async |tx| {
        for color in ["red", "blue"] {
            User::query()
                .filter(|u| u.id.eq(id))
                .update(|u| u.hair_color.set(color))
                .exec(tx)
                .await?;
        }
        Ok(())
    })
    .await
}
