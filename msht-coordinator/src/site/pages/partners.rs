//! Partners by name, as the signed roster of a release has them.

use msht_core::release::Release;
use msht_core::secagg::PartnerKind;

/// A partner as the signed roster has it.
#[derive(Debug)]
pub(in crate::site) struct PartnerView {
    pub(in crate::site) name: String,
    pub(in crate::site) kind: String,
}

/// The partners with these ids, by name.
pub(in crate::site) fn partners(release: &Release, ids: &[String]) -> Vec<PartnerView> {
    let roster = &release.proof.roster.content;
    let mut partners: Vec<PartnerView> = ids
        .iter()
        .map(|id| match roster.partner(id) {
            Some(partner) => PartnerView {
                name: partner.name.clone(),
                kind: kind_words(partner.kind).to_owned(),
            },
            None => PartnerView {
                name: id.clone(),
                kind: "not on the roster".to_owned(),
            },
        })
        .collect();
    partners.sort_by(|a, b| a.name.cmp(&b.name));
    partners
}

fn kind_words(kind: PartnerKind) -> &'static str {
    match kind {
        PartnerKind::Police => "police",
        PartnerKind::LocalAuthority => "local authority",
        PartnerKind::Ngo => "NGO",
        PartnerKind::Health => "health",
        PartnerKind::GovernmentAgency => "government agency",
        PartnerKind::Company => "company",
        PartnerKind::Bank => "bank",
        PartnerKind::Other => "other",
    }
}
