//! Sealed connections, to a server with a certificate of its own.
#![cfg(feature = "tls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use schemas::Position;
use std::path::Path;
use store::{Reader, StoreError};
use store_postgres::cluster::Cluster;
use store_postgres::{Options, PostgresStore};

/// A cluster that takes sealed connections alone, and the certificate that vouches for it.
fn sealed(folder: &Path) -> (Cluster, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let cluster = Cluster::start_sealed(|address| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![address.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    });
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, issuer.pem()).unwrap();
    (cluster.unwrap(), roots.display().to_string())
}

#[test]
fn a_sealed_connection_is_made_to_whom_a_trusted_certificate_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let (cluster, roots) = sealed(folder.path());
    let open = |query: &str| {
        let url = format!("{}&{query}", cluster.url("sealed"));
        PostgresStore::open(&url, Options::default())
    };
    let store = open(&format!("sslmode=verify-full&sslrootcert={roots}")).unwrap();
    assert_eq!(store.head().unwrap(), Position(0));
    for (query, why) in [
        // The system trusts nobody whom we have just made.
        ("sslmode=require".to_owned(), "certificate"),
        ("sslmode=disable".to_owned(), "no encryption"),
        (format!("sslrootcert={}/nothing.pem", folder.path().display()), "nothing.pem"),
    ] {
        let error = open(&query).err().unwrap();
        assert!(matches!(error, StoreError::Remote { .. }), "{query}: {error}");
        assert!(error.to_string().contains(why), "{query}: {error}");
    }
}
