//! Documents under a signature: received and verified are different types.

use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::crypto::{BadSignature, Digest, Identity, IdentityKey, SignLabel, Signature, digest};
use crate::wire::{DecodeError, encode};

/// Content that is signed whole.
pub trait Document: Serialize + DeserializeOwned {
    /// The label it is signed under.
    const LABEL: SignLabel;
    /// The label of its digest.
    const DIGEST_LABEL: &'static str;

    /// The digest of the canonical encoding: the document's id.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] for a document nobody could decode.
    fn digest(&self) -> Result<Digest, DecodeError> {
        Ok(digest(Self::DIGEST_LABEL, &[&encode(self)?]))
    }
}

/// A document as received: nothing about it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is signed.
    pub content: T,
    /// The signature on its digest.
    pub signature: Signature,
}

impl<T: Document> Signed<T> {
    /// Signs `content`.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`].
    pub fn sign(content: T, identity: &Identity) -> Result<Self, DecodeError> {
        let signature = identity.sign(T::LABEL, &content.digest()?);
        Ok(Self { content, signature })
    }

    /// Checks the signature and gives the verified document.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(self, signer: &IdentityKey) -> Result<Verified<T>, BadSignature> {
        let digest = self.content.digest().map_err(|_| BadSignature)?;
        signer.verify(T::LABEL, &digest, &self.signature)?;
        Ok(Verified {
            signed: self,
            digest,
        })
    }
}

/// A document whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    signed: Signed<T>,
    digest: Digest,
}

impl<T> Verified<T> {
    /// The digest of the content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The document with its signature, to be sent or stored.
    #[must_use]
    pub fn as_signed(&self) -> &Signed<T> {
        &self.signed
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.signed.content
    }
}
