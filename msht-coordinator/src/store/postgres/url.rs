//! The address of a database, which may hold a password and is therefore never shown.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;

use crate::store::StoreError;

/// Modes in which the server has shown by a certificate who it is.
const VERIFIED_MODES: [&str; 1] = ["verify-full"];

/// `postgres://user:password@host:port/database`.
///
/// To a server on another machine only with `?sslmode=verify-full`: whoever sits on the way could else take the
/// password and change what is stored.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    options: AnyConnectOptions,
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

impl DatabaseUrl {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn options(&self) -> AnyConnectOptions {
        self.options.clone()
    }
}

fn is_on_this_machine(host: &str) -> bool {
    // A folder is where the server's Unix socket is. No host at all would be whatever `PGHOST` names.
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost"
        || host.starts_with('/')
        || address.is_ok_and(|address| address.is_loopback())
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        let not_one = "write it as postgres://user@host:5432/database, or with ?host=/FOLDER of its Unix socket";
        let options =
            AnyConnectOptions::from_str(text).map_err(|_| StoreError::Address(not_one))?;
        let url = &options.database_url;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(StoreError::Address(not_one));
        }
        // What the query says comes last, as in the driver.
        let mut host = url.host_str().unwrap_or_default().replace("%2F", "/");
        let mut mode = None;
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" | "hostaddr" => host = value.into_owned(),
                "sslmode" | "ssl-mode" => mode = Some(value.into_owned()),
                _ => {}
            }
        }
        if host.is_empty() {
            return Err(StoreError::Address(not_one));
        }
        let is_verified = mode.is_some_and(|mode| VERIFIED_MODES.contains(&mode.as_str()));
        if !is_verified && !is_on_this_machine(&host) {
            return Err(StoreError::Address(
                "a server on another machine needs ?sslmode=verify-full, with sslrootcert=FILE where its certificate is the own authority's",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            options,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_machine_may_be_reached_in_the_clear_and_another_one_only_with_a_certificate()
     {
        for good in [
            "postgres://msht@localhost/msht",
            "postgres://msht:pw@127.0.0.1:5433/msht",
            "postgresql://msht@[::1]/msht",
            "postgres:///msht?host=/run/postgresql",
            "postgres://msht@db.example.org/msht?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ] {
            assert!(good.parse::<DatabaseUrl>().is_ok(), "{good}");
        }
        for bad in [
            "postgres://msht@db.example.org/msht",
            "postgres://msht@db.example.org/msht?sslmode=require",
            "postgres://msht@db.example.org/msht?sslmode=verify-ca",
            "postgres://msht@localhost/msht?host=db.example.org",
            "postgres://msht@localhost/msht?hostaddr=192.0.2.1",
            "postgres://msht@localhost.example.org/msht",
            "postgres:///msht",
            "postgres://msht@/msht",
            "mysql://msht@localhost/msht",
            "sqlite:///tmp/file",
            "store.sqlite",
            "",
        ] {
            let refused = bad.parse::<DatabaseUrl>();
            assert!(matches!(refused, Err(StoreError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://msht:geheim@localhost/msht".parse().unwrap();
        assert!(!format!("{url:?}").contains("geheim"));
        let refused = "postgres://msht:geheim@db.example.org/msht".parse::<DatabaseUrl>();
        assert!(!format!("{:?}", refused.unwrap_err()).contains("geheim"));
    }
}
