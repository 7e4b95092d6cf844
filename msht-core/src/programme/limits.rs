//! Limits of a programme, each with its reason.

/// Most bytes of a programme file: it is sent to every node and parsed before anything is trusted.
pub const MAX_PROGRAMME_BYTES: usize = 256 * 1024;

/// Most bytes of an id or a category code: they become column names and file names.
pub const MAX_ID_BYTES: usize = 48;

/// Most bytes of a title or a category label: they must fit one line of a page.
pub const MAX_TITLE_BYTES: usize = 200;

/// Most bytes of a description or a promise: a few paragraphs.
pub const MAX_TEXT_BYTES: usize = 4_000;

/// Most dimensions of a codebook.
pub const MAX_DIMENSIONS: usize = 64;

/// Most categories of a dimension: beyond this a table says nothing about any one of them.
pub const MAX_CATEGORIES: usize = 4_096;

/// Most values counted of one multi-valued dimension: noise grows in proportion.
pub const MAX_VALUES: u32 = 16;

/// Most tables of a programme: each takes its part of the budget.
pub const MAX_TABLES: usize = 64;

/// Most dimensions crossed in one table: with more, almost every cell is zero.
pub const MAX_TABLE_DIMENSIONS: usize = 4;

/// Most amounts of a programme: each is one more number that a partner reads out of every record.
pub const MAX_AMOUNTS: usize = 16;

/// Largest unit of an amount, in its currency.
pub const MAX_UNIT: u32 = 1_000_000_000;

/// Most units one record adds: noise grows in proportion, so a finer unit says no more.
pub const MAX_CLIP: u32 = 10_000;

/// Most units of one partner in one cell of sums: 255 partners' cells and the widest noise tail stay below 2⁶³.
pub const MAX_UNITS_PER_CELL: u64 = 1 << 48;

/// Smallest noise rate a_T is one over this: below it the law of the noise is too wide to tabulate, and a half-width of
/// 30,000 records or units says nothing.
pub const MAX_INVERSE_NOISE_RATE: u64 = 10_000;

/// Most cells of all tables together: a masked vector of 64-bit words is then at most 32 MiB.
pub const MAX_CELLS: usize = 1 << 22;

/// Most records of one person that a programme may count in a period.
pub const MAX_RECORDS_PER_PERSON: u32 = 1_000;

/// Largest ε a period: e¹⁰ is a factor of 22,000, beyond which the promise says nothing.
pub const MAX_EPSILON_PER_PERIOD: u64 = 10;

/// Fewest partners of a round: with two, each would learn the other's counts.
pub const LEAST_PARTNERS: u32 = 3;

/// Most partners of a round: the places of Shamir shares in GF(2⁸).
pub const MOST_PARTNERS: u32 = 255;

/// Longest phase of a round, in hours: a quarter, after which the next round would be due.
pub const MAX_PHASE_HOURS: u32 = 92 * 24;
