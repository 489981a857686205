//! Every mode against every fault of a certificate.

use stellata_client::{Config, Connection, ErrorKind, Pem, SslMode, TlsSettings};
use stellata_testkit::{Authority, Certificate, KeyKind, Leaf, Validity};

use super::AUTHORITY;
use super::stage::{Part, Stage};

/// A certificate, what the client is told, and what comes of it.
struct Fault {
    what: &'static str,
    certificate: Certificate,
    roots: String,
    crl: Option<String>,
    host: &'static str,
    /// What `verify-ca` says, and `require` where there are roots: nothing when it is content.
    ca: &'static str,
    /// What `verify-full` says.
    full: &'static str,
}

impl Fault {
    fn new(what: &'static str, leaf: &Leaf, ca: &'static str, full: &'static str) -> Self {
        let certificate = AUTHORITY.issue(leaf);
        Self {
            what,
            certificate,
            roots: AUTHORITY.pem().into(),
            crl: None,
            host: "localhost",
            ca,
            full,
        }
    }

    fn shown(self, certificate: Certificate) -> Self {
        Self { certificate, ..self }
    }

    fn roots(self, roots: &str) -> Self {
        Self { roots: roots.into(), ..self }
    }

    fn crl(self, lists: String) -> Self {
        Self { crl: Some(lists), ..self }
    }

    fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }
}

const NAME: &str = "do not hold the host";
const EXPIRED: &str = "it has expired";
const UNKNOWN: &str = "does not come from a root that is trusted";

fn faults() -> Vec<Fault> {
    let new = Fault::new;
    let good = Leaf::new(&["localhost"]);
    let named = |name: &str| Leaf::new(&[name]);
    let expired = |leaf: &Leaf| leaf.clone().validity(Validity::Past);
    let other = Authority::new("another root", KeyKind::P256);
    let between = AUTHORITY.intermediate("an authority between");
    let alone = good.self_signed(false);
    let own = good.self_signed(true);
    let old = expired(&good).self_signed(true);
    let elsewhere = named("elsewhere").self_signed(true);
    let through = between.issue(&good);
    let (leaf_alone, _) = through.chain.split_at(through.chain.find("-----END").unwrap() + 26);
    let cut = Certificate { chain: leaf_alone.into(), key: through.key.clone() };
    let list = |serials: &[u64]| AUTHORITY.revocations(serials, Validity::Now);
    vec![
        new("good", &good, "", ""),
        new("expired", &expired(&good), EXPIRED, EXPIRED),
        new(
            "not valid yet",
            &good.clone().validity(Validity::Future),
            "not valid yet",
            "not valid yet",
        ),
        new("for another host", &named("elsewhere"), "", NAME),
        new("for a part of the name", &named("localhos"), "", NAME),
        new("for all hosts", &named("*"), "", NAME),
        new("for a host below", &named("*.localhost"), "", NAME),
        // Only alternative names count: a common name proves nothing (RFC 9525, section 2).
        new("without alternative names", &Leaf::new(&[]).common_name("localhost"), "", NAME),
        new("by address", &named("127.0.0.1"), "", "").host("127.0.0.1"),
        new("by another address", &named("127.0.0.2"), "", NAME).host("127.0.0.1"),
        new("an address for a host", &named("127.0.0.1"), "", NAME),
        new("a host for an address", &good, "", NAME).host("127.0.0.1"),
        new("an address as common name", &Leaf::new(&[]).common_name("127.0.0.1"), "", NAME)
            .host("127.0.0.1"),
        new("of another root", &good, UNKNOWN, UNKNOWN).shown(other.issue(&good)),
        new("of another root of the same name", &good, "BadSignature", "BadSignature")
            .shown(Authority::new("the root of the tests", KeyKind::P256).issue(&good)),
        new("of either root", &good, "", "").shown(other.issue(&good)).roots(&format!(
            "{}{}",
            AUTHORITY.pem(),
            other.pem()
        )),
        new("through an authority between", &good, "", "").shown(through.clone()),
        new("with a gap in the chain", &good, UNKNOWN, UNKNOWN).shown(cut),
        new("signed by itself, unknown", &good, UNKNOWN, UNKNOWN).shown(alone.clone()),
        new("signed by itself, given as root", &good, "", "")
            .shown(alone.clone())
            .roots(&alone.chain),
        new("signed by itself as an authority, unknown", &good, UNKNOWN, UNKNOWN)
            .shown(own.clone()),
        new("signed by itself as an authority, given as root", &good, "", "")
            .shown(own.clone())
            .roots(&own.chain),
        new("signed by itself as an authority, expired", &good, EXPIRED, EXPIRED)
            .shown(old.clone())
            .roots(&old.chain),
        new("signed by itself as an authority, for another host", &good, "", NAME)
            .shown(elsewhere.clone())
            .roots(&elsewhere.chain),
        new("not revoked", &good, "", "").crl(list(&[8])),
        new("revoked", &good, "it is revoked", "it is revoked").crl(list(&[8, 7])),
        new("no list covers it", &good, "no list", "no list")
            .crl(other.revocations(&[], Validity::Now)),
        new("the list has expired", &good, "has expired", "has expired")
            .crl(AUTHORITY.revocations(&[], Validity::Past)),
        new("no list for the authority between", &good, "no list", "no list")
            .shown(through.clone())
            .crl(between.revocations(&[], Validity::Now)),
        new("lists for the whole chain", &good, "", "")
            .shown(through)
            .crl(between.revocations(&[], Validity::Now) + &list(&[])),
        // That the name is not looked at must not hide what else is wrong.
        new("expired, for another host", &expired(&named("elsewhere")), EXPIRED, EXPIRED),
        new("revoked, for another host", &named("elsewhere"), "it is revoked", "it is revoked")
            .crl(list(&[7])),
        new("of another root, for another host", &good, UNKNOWN, UNKNOWN)
            .shown(other.issue(&named("elsewhere"))),
    ]
}

/// The mode, whether roots are given, and what of a fault it minds.
type Mode = (SslMode, bool, fn(&Fault) -> &'static str);

#[test]
fn every_mode_against_every_fault_of_a_certificate() {
    let modes: [Mode; 6] = [
        (SslMode::Prefer, false, |_| ""),
        (SslMode::Prefer, true, |_| ""),
        (SslMode::Require, false, |_| ""),
        (SslMode::Require, true, |fault| fault.ca),
        (SslMode::VerifyCa, true, |fault| fault.ca),
        (SslMode::VerifyFull, true, |fault| fault.full),
    ];
    let mut tried = 0;
    stellata_testkit::run(async {
        for fault in faults() {
            let stage = Stage::start(Part::new(&fault.certificate)).await;
            for (mode, with_roots, minds) in modes {
                tried += 1;
                let mut tls = TlsSettings::new(mode);
                if with_roots {
                    tls = tls.with_roots(Pem::text(&*fault.roots));
                }
                if let Some(lists) = &fault.crl {
                    tls = tls.with_crl(Pem::text(&**lists));
                }
                let config = Config::new(fault.host, "me").with_port(stage.port).with_tls(tls);
                let case = format!("{}: {mode}, roots: {with_roots}", fault.what);
                let before = stage.trace().matches("encrypted").count();
                match (Connection::connect(&config).await, minds(&fault)) {
                    (Ok(connection), "") => assert!(connection.is_encrypted(), "{case}"),
                    (Ok(_), minded) => panic!("{case}: connected, where `{minded}` was wanted"),
                    (Err(error), "") => panic!("{case}: {error:?}"),
                    (Err(error), minded) => {
                        assert_eq!(error.kind(), ErrorKind::Tls, "{case}");
                        assert!(error.to_string().contains(minded), "{case}: {error}");
                        // Not a byte of the session was sent.
                        assert_eq!(stage.trace().matches("encrypted").count(), before, "{case}");
                    }
                }
                assert_eq!(stage.trace().matches("plain").count(), 0, "{case}");
            }
        }
    });
    assert!(tried >= 190, "{tried}");
}

/// CVE-2018-10936: a driver that was given its own way to verify forgot the host's name.
#[test]
fn cve_2018_10936_the_name_is_verified_whatever_the_roots_come_from() {
    use super::{Folder, config};
    let folder = Folder::new("names");
    let roots = folder.write("root.crt", AUTHORITY.pem());
    let wrong = AUTHORITY.issue(&Leaf::new(&["elsewhere"]));
    stellata_testkit::run(async {
        let stage = Stage::start(Part::new(&wrong)).await;
        let full = TlsSettings::new(SslMode::VerifyFull);
        for tls in [
            full.clone().with_roots(Pem::text(AUTHORITY.pem())),
            full.clone().with_roots(Pem::file(&roots)),
            full.clone().with_folder(folder.path()),
            full.clone().with_roots(Pem::file(&roots)).with_sni(false),
            full.with_roots(Pem::text(&*wrong.chain)).with_roots(Pem::text(AUTHORITY.pem())),
        ] {
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls);
            assert!(error.to_string().contains(NAME), "{error}");
        }
    });
}

/// Somebody between shows the server's certificate without its key: refused even where the certificate is not looked at,
/// or a login could be bound to a channel that ends with somebody else.
#[test]
fn a_certificate_without_its_key_is_refused_in_every_mode() {
    use super::{GOOD, config, trusting};
    use std::sync::Arc;
    stellata_testkit::run(async {
        let stage = Stage::start(Part {
            config: Arc::new(super::stage::stolen(&GOOD)),
            plain: super::stage::Login::NoRule,
            ..Part::new(&GOOD)
        })
        .await;
        for mode in [SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            let error = Connection::connect(&config(stage.port, trusting(mode))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{mode}: {error}");
        }
        assert_eq!(stage.trace().matches("encrypted").count(), 0);
    });
}
