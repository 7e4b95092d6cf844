//! One coordinator: its data directory, its identity, and what both stand for.

use std::path::Path;
use std::sync::Arc;

use msht_core::crypto::{Identity, IdentityKey, Secret, open_at_rest, seal_at_rest};
use msht_core::governance::{Countersigned, Handover, MAX_STATEMENT_BYTES};
use msht_core::programme::Programme;
use msht_core::secagg::{ProgrammeDocument, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};
use msht_host::KeySource;
use rand::CryptoRng;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::data_dir::{DataDir, Place};
use crate::error::Error;
use crate::operator::Metrics;
use crate::publish::SiteFeed;
use crate::rounds::Rounds;
use crate::store::{DatabaseUrl, ProgrammeRow, Store};

/// What the sealed identity is bound to.
pub(crate) const IDENTITY_CONTEXT: &[u8] = b"msht coordinator identity";
pub(crate) const IDENTITY: &str = "identity";
const ADDRESS: &str = "address";
const TITLE: &str = "title";
/// Longest address in an invite: a host name of 253 bytes, a colon and a port.
const MAX_ADDRESS_BYTES: usize = 260;

/// What the operator decides when a coordinator is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` that nodes connect to; it stands in every invite.
    pub address: String,
    /// Name people read.
    pub title: String,
}

/// A coordinator on its data directory; clones share everything.
#[derive(Clone)]
pub struct Coordinator(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) data: DataDir,
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) handovers: Vec<Countersigned<Handover>>,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) rounds: Rounds,
    pub(crate) news: watch::Sender<u64>,
    pub(crate) site: SiteFeed,
    pub(crate) metrics: Metrics,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Coordinator({})", self.key().fingerprint())
    }
}

fn check_address(address: &str) -> Result<(), Error> {
    let refused = || Error::Address(address.chars().take(MAX_ADDRESS_BYTES).collect());
    let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
    let port_is_good = port.parse::<u16>().is_ok_and(|port| port != 0);
    let host_is_good = !host.is_empty() && !host.chars().any(char::is_whitespace);
    if port_is_good && host_is_good && address.len() <= MAX_ADDRESS_BYTES {
        return Ok(());
    }
    Err(refused())
}

impl Coordinator {
    /// Makes a coordinator: directory, key file, database and identity.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] where there is one; [`Error::Address`]; files and database.
    pub async fn create<R: CryptoRng + ?Sized>(
        data: &Path,
        settings: Settings,
        clock: Clock,
        rng: &mut R,
    ) -> Result<Self, Error> {
        Self::create_in(data, None, None, settings, clock, rng).await
    }

    /// The same, with the key that seals the identity from `source`, made there where it is a file and missing; and with
    /// everything else in the PostgreSQL database at `database`, which other replicas can [`Self::join`].
    ///
    /// # Errors
    /// As [`Self::create`]; [`Error::Key`]; [`Error::DatabaseInUse`].
    pub async fn create_in<R: CryptoRng + ?Sized>(
        data: &Path,
        source: Option<&KeySource>,
        database: Option<&DatabaseUrl>,
        settings: Settings,
        clock: Clock,
        rng: &mut R,
    ) -> Result<Self, Error> {
        check_address(&settings.address)?;
        let data = DataDir::new(data, source)?;
        data.refuse_another()?;
        let store = match database {
            None => None,
            // Before anything is made here.
            Some(url) => {
                let store = Store::open_at(url).await?;
                if store.meta(IDENTITY).await?.is_some() {
                    return Err(Error::DatabaseInUse);
                }
                Some(store)
            }
        };
        data.create(database)?;
        let file = data.key_file();
        let key = if file.may_be_made() {
            file.create(rng)?
        } else {
            file.read()?
        };
        let identity = Identity::generate(rng).map_err(|_| Error::Randomness)?;
        let sealed = seal_at_rest(&key, IDENTITY_CONTEXT, identity.seed().expose(), rng);
        let store = match store {
            Some(store) => store,
            None => Store::open(&data.database(), false).await?,
        };
        let values = [
            (ADDRESS, settings.address.as_bytes()),
            (TITLE, settings.title.as_bytes()),
            (IDENTITY, &sealed),
        ];
        if !store.found(&values).await? {
            return Err(Error::DatabaseInUse);
        }
        Self::assemble(data, store, identity, settings, clock).await
    }

    /// Makes the data directory of another replica of the coordinator in the PostgreSQL database at `database`. Its key is
    /// the first one's, from `source` or copied into the directory.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::NothingToJoin`], [`Error::Key`], [`Error::WrongKeyFile`]; nothing is made then.
    pub async fn join(
        data: &Path,
        source: Option<&KeySource>,
        database: &DatabaseUrl,
        clock: Clock,
    ) -> Result<Self, Error> {
        let data = DataDir::new(data, source)?;
        data.refuse_another()?;
        data.key_file().read()?;
        let store = Store::open_at(database).await?;
        if store.meta(IDENTITY).await?.is_none() {
            return Err(Error::NothingToJoin);
        }
        let opened = Self::open_store(data, store, clock).await?;
        opened.0.data.join(database)?;
        Ok(opened)
    }

    /// Opens the coordinator in this data directory.
    ///
    /// # Errors
    /// [`Error::NotACoordinator`], [`Error::Key`], [`Error::WrongKeyFile`]; the database.
    pub async fn open(data: &Path, clock: Clock) -> Result<Self, Error> {
        Self::open_with_key(data, None, clock).await
    }

    /// The same, with the key that opens the identity from `source`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_key(
        data: &Path,
        source: Option<&KeySource>,
        clock: Clock,
    ) -> Result<Self, Error> {
        Self::open_in(DataDir::new(data, source)?, clock).await
    }

    /// The coordinator of an existing data directory.
    pub(crate) async fn open_in(data: DataDir, clock: Clock) -> Result<Self, Error> {
        let store = match data.place()? {
            Place::File(path) => Store::open(&path, false).await?,
            Place::Server(database) => Store::open_at(&database).await?,
        };
        Self::open_store(data, store, clock).await
    }

    async fn open_store(data: DataDir, store: Store, clock: Clock) -> Result<Self, Error> {
        let identity = Self::identity_in(&data, &store).await?;
        let settings = Settings {
            address: text_of(&store, ADDRESS).await?,
            title: text_of(&store, TITLE).await?,
        };
        Self::assemble(data, store, identity, settings, clock).await
    }

    /// The identity in a database, opened with the key file of the data directory.
    pub(crate) async fn identity_in(data: &DataDir, store: &Store) -> Result<Identity, Error> {
        let key = data.key_file().read()?;
        let sealed = store.meta(IDENTITY).await?;
        let sealed = sealed.ok_or_else(|| Error::NotACoordinator(data.path().to_owned()))?;
        let wrong_key = || Error::WrongKeyFile(data.key_file().path().to_owned());
        let seed = open_at_rest(&key, IDENTITY_CONTEXT, &sealed).map_err(|_| wrong_key())?;
        let seed = Secret::from_slice(&seed).ok_or_else(wrong_key)?;
        Identity::from_seed(seed).map_err(|_| wrong_key())
    }

    async fn assemble(
        data: DataDir,
        store: Store,
        identity: Identity,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, Error> {
        let number = store.news_number().await?;
        let handovers = handovers_in(&store).await?;
        Ok(Self(Arc::new(Inner {
            data,
            store,
            identity: Arc::new(identity),
            handovers,
            settings,
            clock,
            rounds: Rounds::default(),
            news: watch::Sender::new(number),
            site: SiteFeed::default(),
            metrics: Metrics::default(),
        })))
    }

    /// The identity key that nodes pin.
    #[must_use]
    pub fn key(&self) -> IdentityKey {
        self.0.identity.key()
    }

    /// What the operator decided at the beginning.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Closes the database; whatever comes after fails.
    pub async fn close(&self) {
        self.0.store.close().await;
    }

    pub(crate) fn now(&self) -> i64 {
        (self.0.clock)()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Reads the news number again and wakes whoever waits for it. Returns whether it changed.
    pub(crate) async fn refresh_news(&self) -> Result<bool, Error> {
        let number = self.store().news_number().await?;
        let renew = |known: &mut u64| {
            let changed = *known < number;
            *known = number.max(*known);
            changed
        };
        Ok(self.0.news.send_if_modified(renew))
    }

    /// Publishes a programme; the same text again changes nothing.
    ///
    /// # Errors
    /// [`Error::Programme`]; [`Error::ProgrammeVersion`] where a changed text does not raise the version.
    pub async fn publish_programme(&self, text: &str) -> Result<Programme, Error> {
        let programme = Programme::parse(text)?;
        if let Some(current) = self.store().current_programme(programme.id()).await? {
            if current.digest == programme.digest() {
                return Ok(programme);
            }
            if current.version >= programme.version() {
                return Err(Error::ProgrammeVersion {
                    id: programme.id().to_owned(),
                    current: current.version,
                    found: programme.version(),
                });
            }
        }
        let document = ProgrammeDocument {
            toml: text.to_owned(),
        };
        let row = ProgrammeRow {
            id: programme.id().to_owned(),
            version: programme.version(),
            title: programme.title().to_owned(),
            digest: programme.digest(),
            signed: encode(&Signed::sign(document, &self.0.identity)?)?,
        };
        self.store().publish_programme(&row).await?;
        self.refresh_news().await?;
        Ok(programme)
    }

    /// The current version of every published programme, in order of id.
    ///
    /// # Errors
    /// The database.
    pub async fn programmes(&self) -> Result<Vec<Programme>, Error> {
        let rows = self.store().current_programmes().await?;
        rows.iter()
            .map(|row| self.programme_of(&row.signed))
            .collect()
    }

    /// The programme in these signed bytes, which this coordinator wrote.
    pub(crate) fn programme_of(&self, signed: &[u8]) -> Result<Programme, Error> {
        let damaged = || Error::Damaged("programme");
        let document: Signed<ProgrammeDocument> =
            decode(signed, MAX_ENCODED_BYTES).map_err(|_| damaged())?;
        let document = document.verify(&self.key()).map_err(|_| damaged())?;
        Ok(Programme::parse(&document.toml)?)
    }
}

async fn handovers_in(store: &Store) -> Result<Vec<Countersigned<Handover>>, Error> {
    let rows = store.handovers().await?;
    let handover = |bytes: &Vec<u8>| {
        decode(bytes, MAX_STATEMENT_BYTES).map_err(|_| Error::Damaged("handover"))
    };
    rows.iter().map(handover).collect()
}

async fn text_of(store: &Store, name: &'static str) -> Result<String, Error> {
    let bytes = store.meta(name).await?.ok_or(Error::Damaged(name))?;
    String::from_utf8(bytes).map_err(|_| Error::Damaged(name))
}
