//! What stands around the content of every page: the navigation, and the form that chooses what is shown.

use super::calendar::period_words;
use super::catalogue::Catalogue;
use super::pages::{PAGES, Page};
use super::query::with_query;
use super::selection::{PERIOD, PROGRAMME, Selection};

/// A link of a navigation.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) text: String,
    pub(super) is_current: bool,
}

/// What `templates/base.html` needs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) pages: Vec<Link>,
    /// The form, where there is anything to choose.
    pub(super) form: Option<ChoiceForm>,
}

/// A plain form that asks for the same page again with other choices.
#[derive(Debug)]
pub(super) struct ChoiceForm {
    pub(super) action: String,
    pub(super) choices: Vec<Choice>,
}

/// One choice of a form.
#[derive(Debug)]
pub(super) struct Choice {
    /// Name in the query.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) options: Vec<ChoiceOption>,
}

/// One thing that can be chosen.
#[derive(Debug)]
pub(super) struct ChoiceOption {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) is_chosen: bool,
}

impl Choice {
    /// A choice between values and their texts, of which `chosen` is the one now.
    pub(super) fn new(
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (String, String)>,
        chosen: &str,
    ) -> Self {
        let options = options.into_iter().map(|(value, text)| ChoiceOption {
            is_chosen: value == chosen,
            value,
            text,
        });
        Self {
            name,
            label,
            options: options.collect(),
        }
    }
}

impl Frame {
    /// The frame around `page`.
    pub(super) fn new(page: &Page, selection: &Selection<'_>) -> Self {
        let mut choices = vec![programmes(selection), periods(selection)];
        choices.extend((page.choices)(selection));
        choices.retain(|choice| choice.options.len() > 1);
        Self {
            pages: page_links(selection.catalogue, Some(selection), Some(page)),
            form: (!choices.is_empty()).then(|| ChoiceForm {
                action: page.path(),
                choices,
            }),
        }
    }

    /// The frame around a page that is not in the navigation.
    pub(super) fn bare(catalogue: &Catalogue) -> Self {
        Self {
            pages: page_links(catalogue, None, None),
            form: None,
        }
    }
}

/// Links to the pages that have something to show: of the chosen programme, or else of the first that they fit.
fn page_links(
    catalogue: &Catalogue,
    selection: Option<&Selection<'_>>,
    current: Option<&Page>,
) -> Vec<Link> {
    let link = |page: &&Page| {
        let chosen = selection.filter(|selection| {
            let programme = selection.programme;
            programme.is_some_and(|(_, programme)| (page.applies)(programme))
        });
        let pairs = match chosen {
            Some(selection) => selection.carried(),
            None => {
                let mut programmes = catalogue.programmes();
                let (id, _) = programmes.find(|(_, programme)| (page.applies)(programme))?;
                vec![(PROGRAMME, id)]
            }
        };
        Some(Link {
            href: with_query(&page.path(), &pairs),
            text: page.title.to_owned(),
            is_current: current.is_some_and(|current| current.name == page.name),
        })
    };
    PAGES.iter().filter_map(link).collect()
}

fn programmes(selection: &Selection<'_>) -> Choice {
    let programmes = selection.catalogue.programmes();
    let options = programmes.map(|(id, programme)| (id.to_owned(), programme.title().to_owned()));
    let chosen = selection.programme_id().unwrap_or_default();
    Choice::new(PROGRAMME, "Programme", options, chosen)
}

/// Periods, the newest first.
fn periods(selection: &Selection<'_>) -> Choice {
    let releases = selection.programme.map_or(&[][..], |(_, p)| p.releases());
    let mut periods: Vec<&str> = releases
        .iter()
        .map(|published| published.release().period.as_str())
        .collect();
    periods.sort_unstable();
    periods.reverse();
    let options = periods
        .into_iter()
        .map(|period| (period.to_owned(), period_words(period)));
    let chosen = selection.release().map_or("", |release| &release.period);
    Choice::new(PERIOD, "Period", options, chosen)
}
