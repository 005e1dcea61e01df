//! What the publications of Synapse and ACDC say, which all forms of their files share.

use std::collections::BTreeMap;
use std::path::Path;

use fastersam_volume::{Intensity, LabelTable};

use crate::axis_order::AxisOrder;
use crate::dataset::{DataSet, Entry, Form};
use crate::error::DatasetError;
use crate::label_scheme::{LabelScheme, acdc_canonical, acdc_labels, synapse_labels};
use crate::phantom::is_phantom;
use crate::{intensity, split};

/// The label scheme of ACDC, which has no other.
pub(super) const ACDC_SCHEME: &str = "acdc";

/// A published data set.
struct Published {
    name: &'static str,
    labels: LabelTable,
    intensity: Intensity,
    splits: BTreeMap<String, Vec<String>>,
    slices: BTreeMap<String, usize>,
    /// Label scheme of the files, and of the cases as they are read.
    schemes: [&'static str; 2],
    /// The class of each code of the files.
    codes: Vec<u8>,
}

/// Synapse in a folder, its files in a label scheme.
pub(super) fn synapse(
    form: Form,
    path: &Path,
    scheme: LabelScheme,
    axes: AxisOrder,
    entries: Vec<Entry>,
) -> Result<DataSet, DatasetError> {
    let published = Published {
        name: "Synapse",
        labels: synapse_labels(),
        intensity: intensity::SYNAPSE,
        splits: split::synapse_splits()?,
        slices: split::synapse_slices()?,
        schemes: [scheme.name(), LabelScheme::Transunet.name()],
        codes: scheme.canonical().to_vec(),
    };
    published.data_set(form, path, axes, entries)
}

/// ACDC in a folder.
pub(super) fn acdc(
    form: Form,
    path: &Path,
    axes: AxisOrder,
    entries: Vec<Entry>,
) -> Result<DataSet, DatasetError> {
    let published = Published {
        name: "ACDC",
        labels: acdc_labels(),
        intensity: intensity::ACDC,
        splits: split::acdc_splits()?,
        slices: split::acdc_slices()?,
        schemes: [ACDC_SCHEME; 2],
        codes: acdc_canonical(),
    };
    published.data_set(form, path, axes, entries)
}

impl Published {
    fn data_set(
        self,
        form: Form,
        path: &Path,
        axes: AxisOrder,
        entries: Vec<Entry>,
    ) -> Result<DataSet, DatasetError> {
        if entries.is_empty() {
            return Err(DatasetError::malformed(path, format!("it holds no case in the form {}", form.name())));
        }
        let Self { name, labels, intensity, mut splits, slices, schemes: [scheme, canonical], codes } = self;
        // Phantoms are numbered like the published cases, but nobody expects all of them.
        let is_phantom = is_phantom(path);
        if is_phantom {
            splits.values_mut().for_each(|keys| keys.retain(|key| entries.iter().any(|entry| entry.key == *key)));
            splits.retain(|_, keys| !keys.is_empty());
        }
        Ok(DataSet {
            name: if is_phantom { format!("phantoms in the form of {name}") } else { name.to_owned() },
            path: path.to_owned(),
            form,
            label_scheme: scheme.to_owned(),
            canonical_scheme: canonical.to_owned(),
            axes,
            labels,
            intensity,
            splits,
            published_slices: if is_phantom { BTreeMap::new() } else { slices },
            codes: codes.into_iter().map(Some).collect(),
            orientation: None,
            entries,
        })
    }
}
