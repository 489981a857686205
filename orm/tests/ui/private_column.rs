use stellata::{Id, Model, new};

mod bank {
    use stellata::{Id, Model};

    #[derive(Model)]
    pub(crate) struct Account {
        #[model(key, identity)]
        pub(crate) id: Id<Account>,
        secret: String,
    }
}

#[derive(Model)]
struct Branch {
    #[model(key, identity)]
    id: Id<Branch>,
    #[model(has_many = bank::Account::secret)]
    accounts: stellata::HasMany<bank::Account>,
}

fn main() {
    let _ = new!(bank::Account { secret: "x" });
}
