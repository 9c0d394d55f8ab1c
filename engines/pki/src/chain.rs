//! Which issuers lead from one to a root.
use crate::ca::IssuerRecord;
use crate::x509::Cert;
use std::sync::Arc;

/// The chain of each issuer: itself, then whoever signed it, roots before others, each once.
pub(crate) fn all(records: &[IssuerRecord], certs: &[Arc<Cert>]) -> Vec<Vec<Arc<Cert>>> {
    let parents: Vec<Vec<usize>> = (0..certs.len()).map(|at| parents(certs, at)).collect();
    let chain = |at: usize| {
        let manual = &records[at].manual_chain;
        if !manual.is_empty() {
            let find = |id: &String| records.iter().position(|record| record.id == *id);
            return manual.iter().filter_map(find).map(|at| Arc::clone(&certs[at])).collect();
        }
        let mut order = Vec::new();
        walk(&parents, at, &mut order);
        order.into_iter().map(|at| Arc::clone(&certs[at])).collect()
    };
    (0..certs.len()).map(chain).collect()
}

/// Those that signed an issuer's certificate, itself left out.
fn parents(certs: &[Arc<Cert>], at: usize) -> Vec<usize> {
    let own = &certs[at];
    if own.subject == own.issuer && own.is_self_signed() {
        return Vec::new();
    }
    let others = (0..certs.len()).filter(|other| *other != at);
    let mut found: Vec<usize> = others.filter(|other| own.is_issued_by(&certs[*other])).collect();
    found.sort_by_key(|other| !certs[*other].is_self_signed());
    found
}

fn walk(parents: &[Vec<usize>], at: usize, order: &mut Vec<usize>) {
    // Two authorities that signed each other lead back here.
    if order.contains(&at) {
        return;
    }
    order.push(at);
    for parent in &parents[at] {
        walk(parents, *parent, order);
    }
}
