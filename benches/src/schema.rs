//! The tables of the workloads and what is in them.

/// Rows of `users` after [`FILL`].
pub const USERS: i32 = 10_000;

/// Users that have posts: those with the first numbers.
pub const AUTHORS: i32 = 100;

/// Posts of each author.
pub const POSTS: i32 = 10;

/// Comments on each post.
pub const COMMENTS: i32 = 5;

/// Makes the three tables.
pub const CREATE: &str = "
    create table users (
        id serial primary key,
        name text not null,
        hair_color text,
        created_at timestamptz not null default now()
    );
    create table posts (
        id serial primary key,
        user_id int not null references users,
        title text not null,
        body text
    );
    create table comments (
        id serial primary key,
        post_id int not null references posts,
        text text not null
    );
    create index on posts (user_id);
    create index on comments (post_id);
";

/// A table without indexes that rows are copied into and out of: `client-w7-in` and `client-w7-out`.
pub const COPIED: &str = "
    create unlogged table copied (id int, name text, hair_color text, created_at timestamptz);
    create unlogged table copies (like copied);
    insert into copied
        select n, 'user ' || n, case when n % 2 = 0 then 'brown' end, '2026-01-01Z'::timestamptz + n * interval '1 minute'
        from generate_series(1, 10000) n;
";

/// Rows of `copied`.
pub const COPY_ROWS: i32 = 10_000;

/// Fills them: half of the users have no hair colour and half of the posts no body, so that a point lookup owns one and a
/// half texts on average.
pub const FILL: &str = "
    insert into users (name, hair_color, created_at)
        select 'user ' || n, case when n % 2 = 0 then 'brown' end, '2026-01-01Z'::timestamptz + n * interval '1 minute'
        from generate_series(1, 10000) n;
    insert into posts (user_id, title, body)
        select author, 'post ' || n || ' of ' || author, case when n % 2 = 0 then 'body of post ' || n end
        from generate_series(1, 100) author, generate_series(1, 10) n order by author, n;
    insert into comments (post_id, text)
        select post, 'comment ' || n || ' on ' || post
        from generate_series(1, 1000) post, generate_series(1, 5) n order by post, n;
";

/// Lets the planner know the tables as a server of some age does.
pub const SETTLE: &str = "vacuum analyze users, posts, comments";
