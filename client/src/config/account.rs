//! Who runs this program, and what accounts are called.

use std::fs;

/// The name of the account that runs this program, as far as it can be told without asking the system's C library: by
/// the number that owns the process and the system's list of accounts.
pub(crate) fn own_name() -> Option<String> {
    #[cfg(all(target_os = "linux", not(elsewhere)))]
    {
        use std::os::unix::fs::MetadataExt;
        name_of(fs::metadata("/proc/self").ok()?.uid())
    }
    #[cfg(not(all(target_os = "linux", not(elsewhere))))]
    None
}

/// The name of the account with this number. Accounts of a directory service (LDAP and the like) are not in the system's
/// own list, and not found.
pub(crate) fn name_of(number: u32) -> Option<String> {
    named(&fs::read_to_string("/etc/passwd").ok()?, number)
}

/// Looks a number up in the text of an account list: `name:password:number:...` a line.
fn named(accounts: &str, number: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let its = fields.nth(1)?;
        (its.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\n# a remark\nbroken\n:x:7::\nanna:x:1000:1000::/:\n";
        assert_eq!(named(accounts, 0).as_deref(), Some("root"));
        assert_eq!(named(accounts, 1000).as_deref(), Some("anna"));
        assert_eq!(named(accounts, 7), None);
        assert_eq!(named(accounts, 100), None);
    }
}
