//! Records after the mapping: category indices instead of words.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a partner's own rows of one person have in common, such as a case reference; never leaves the node.
#[derive(PartialEq, Eq, PartialOrd, Ord, Zeroize, ZeroizeOnDrop)]
pub struct PersonKey(String);

impl PersonKey {
    /// The key without space around it, or `None` where nothing is left: a blank key names nobody.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| Self(trimmed.to_owned()))
    }

    /// A copy for the tally's own index; not `Clone`, so that no other copy is made unseen.
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(..)")
    }
}

/// One record, coded with the programme's codebook.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CodedRecord {
    person: Option<PersonKey>,
    values: Vec<Vec<usize>>,
    amounts: Vec<Option<u64>>,
}

impl CodedRecord {
    /// A record of `person` with, for each dimension in the codebook's order, its category indices as written;
    /// none where the record does not say.
    #[must_use]
    pub fn new(person: Option<PersonKey>, values: Vec<Vec<usize>>) -> Self {
        let amounts = Vec::new();
        Self {
            person,
            values,
            amounts,
        }
    }

    /// The same record with its amounts, in the programme's order and in whole units of each: rounded to the nearest,
    /// not clipped yet; `None` where the record does not say.
    #[must_use]
    pub fn with_amounts(mut self, amounts: Vec<Option<u64>>) -> Self {
        self.amounts = amounts;
        self
    }

    /// Whose record it is, where the partner says.
    #[must_use]
    pub fn person(&self) -> Option<&PersonKey> {
        self.person.as_ref()
    }

    pub(super) fn amounts(&self) -> &[Option<u64>] {
        &self.amounts
    }

    pub(super) fn values(&self) -> &[Vec<usize>] {
        &self.values
    }
}

impl fmt::Debug for CodedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodedRecord(..)")
    }
}
