//! A series of images as one scan.

use std::collections::BTreeMap;
use std::path::Path;

use fastersam_volume::{Grid, MAX_DEFLATE_RATIO, MAX_VOXELS_IN_MEMORY, Scan};
use ndarray::{Array3, ShapeBuilder};

use crate::error::{DicomError, SeriesSummary};
use crate::files::{Files, has_mark};
use crate::frames::{About, Frame, frames, is_localizer, passed_over};
use crate::geometry::arrange;
use crate::limits::{MAX_HEADER_BYTES, USUAL_HEADER_BYTES};
use crate::parse::{Fault, Meta, Parsed};
use crate::pixels::Format;

/// One image series, its slices in order.
pub struct DicomSeries {
    files: Files,
    /// What its images share.
    pub(crate) about: About,
    /// Its slices, along the normal of their planes.
    pub(crate) frames: Vec<Frame>,
    grid: Grid,
    notes: Vec<String>,
}

/// A series while files are looked at.
#[derive(Default)]
struct Found {
    about: About,
    frames: Vec<Frame>,
    /// The first file that can't be used, and why.
    fault: Option<(usize, String)>,
}

impl DicomSeries {
    /// Looks at the files of a folder (with all folders below it), a zip archive, or one file, and chooses a series: the one
    /// with the UID or Series Number `series`, or the only one. Names of files do not matter; scout views, secondary captures, reports and
    /// what is no DICOM are passed over. Pixels are not read yet.
    ///
    /// # Errors
    /// There is no image series, or several without a choice; a file is damaged; the slices are no volume (a gap, two at one
    /// place, a leaning stack, different planes); pixels are compressed in a way that is not read.
    pub fn open(path: &Path, series: Option<&str>) -> Result<Self, DicomError> {
        let mut files = Files::list(path)?;
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut passed: BTreeMap<String, usize> = BTreeMap::new();
        for index in 0..files.len() {
            let kind = look_at(&mut files, index, &mut found)?;
            kind.into_iter().for_each(|kind| *passed.entry(kind).or_default() += 1);
        }
        let passed: Vec<String> = passed.iter().map(|(kind, n)| format!("{n} x {kind}")).collect();
        let chosen = choose(path, found, series, &passed)?;
        if let Some((file, reason)) = chosen.fault {
            return Err(DicomError::malformed(&files.name(file), reason));
        }
        let mut notes = Vec::new();
        if !passed.is_empty() {
            notes.push(format!("what is no image of a volume was passed over: {}", passed.join(", ")));
        }
        let Found { about, mut frames, .. } = chosen;
        let grid = arrange(path, &mut frames, |file| files.name(file), &mut notes)?;
        Ok(Self { files, about, frames, grid, notes })
    }

    /// Where its voxels lie: axes `[column, row, slice]`.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// What it is called and how large it is.
    #[must_use]
    pub fn summary(&self) -> SeriesSummary {
        summary(&self.about, self.frames.len())
    }

    /// Reads all voxels: Hounsfield units for CT, by slope and intercept of each slice, `[column, row, slice]`.
    ///
    /// # Errors
    /// A file changed since, is truncated or damaged, or has pixels that are no gray values of 8 or 16 bits; there are more
    /// voxels than [`MAX_VOXELS_IN_MEMORY`].
    pub fn scan(&mut self) -> Result<Scan, DicomError> {
        let [n_columns, n_rows, n_slices] = self.grid.shape;
        let n_voxels = self.grid.shape.iter().map(|&n| n as u64).product::<u64>();
        let mut slices_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (slice, frame) in self.frames.iter().enumerate() {
            slices_of.entry(frame.file).or_default().push(slice);
        }
        let n_bytes: u64 = slices_of.keys().map(|&file| self.files.n_bytes(file)).sum();
        if n_voxels > MAX_VOXELS_IN_MEMORY || n_voxels > n_bytes.saturating_mul(MAX_DEFLATE_RATIO) {
            let reason = format!(
                "it has {n_voxels} voxels in {n_bytes} bytes; {MAX_VOXELS_IN_MEMORY} voxels are the most that are read, \
                 and {MAX_DEFLATE_RATIO} a byte"
            );
            return Err(DicomError::malformed(&self.files.path, reason));
        }
        let mut notes = self.notes.clone();
        let mut values = vec![0.0; n_voxels as usize];
        let mut n_inverted = 0;
        for (file, slices) in slices_of {
            let name = self.files.name(file);
            let malformed = |reason: String| DicomError::malformed(&name, reason);
            let bytes = self.files.read(file, u64::MAX)?;
            let meta = Meta::read(&bytes).map_err(|fault| malformed(fault.into_reason()))?;
            let parsed = meta.parse(&bytes, true).map_err(|fault| malformed(fault.into_reason()))?;
            let format = Format::of(&parsed.object).map_err(malformed)?;
            let again = frames(&parsed.object, file, &meta.sop_class).map_err(malformed)?;
            n_inverted += usize::from(format.is_inverted);
            for slice in slices {
                let frame = &self.frames[slice];
                if again.get(frame.index as usize) != Some(frame) || format.shape() != [n_rows, n_columns] {
                    return Err(malformed("it was changed while it was read".to_owned()));
                }
                let plane = &mut values[slice * n_rows * n_columns..(slice + 1) * n_rows * n_columns];
                format
                    .read(&parsed, &meta.encoding, frame.index as usize, frame.rescale, plane)
                    .map_err(malformed)?;
            }
        }
        if n_inverted > 0 {
            notes.push(
                "it is to be shown with dark and bright exchanged (MONOCHROME1): its values are taken as they are"
                    .to_owned(),
            );
        }
        let voxels = Array3::from_shape_vec([n_columns, n_rows, n_slices].f(), values)
            .map_err(|error| DicomError::malformed(&self.files.path, error.to_string()))?;
        Ok(Scan { voxels, grid: self.grid.clone(), notes })
    }
}

/// Reads the attributes of a file and puts its frames where they belong; the answer is what kind of file was passed over.
fn look_at(
    files: &mut Files,
    index: usize,
    found: &mut BTreeMap<String, Found>,
) -> Result<Option<String>, DicomError> {
    let name = files.name(index);
    let malformed = |reason: String| DicomError::malformed(&name, reason);
    let head = files.read(index, USUAL_HEADER_BYTES)?;
    if !has_mark(&head) {
        // Without it, a slice at an end of the stack would be missing, and nobody would see.
        if name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("dcm")) {
            let reason = "it has no mark of a DICOM file: it is truncated, or older than the mark; get it again, or take it away";
            return Err(malformed(reason.to_owned()));
        }
        return Ok(Some("other file".to_owned()));
    }
    let meta = Meta::read(&head).map_err(|fault| malformed(fault.into_reason()))?;
    if let Some(kind) = passed_over(&meta.sop_class) {
        return Ok(Some(kind));
    }
    let is_part = files.n_bytes(index) > head.len() as u64;
    let whole;
    let parsed = match meta.parse(&head, false) {
        Ok(parsed) if parsed.pixels.is_some() || !is_part => parsed,
        Err(Fault::Malformed(reason)) => return Err(malformed(reason)),
        Err(Fault::Truncated) if !is_part => return Err(malformed(Fault::Truncated.into_reason())),
        _ => {
            whole = files.read(index, MAX_HEADER_BYTES)?;
            meta.parse(&whole, false).map_err(|fault| malformed(fault.into_reason()))?
        }
    };
    let Parsed { object, pixels } = parsed;
    if is_localizer(&object) {
        return Ok(Some("scout view".to_owned()));
    }
    let about = About::of(&object);
    let group = found
        .entry(about.series_uid.clone())
        .or_insert_with(|| Found { about: about.clone(), ..Found::default() });
    let refusal = meta.encoding.refusal().or_else(|| group.about.contradiction(&about));
    match (refusal, frames(&object, index, &meta.sop_class)) {
        (None, Ok(frames)) if pixels.is_some() => group.frames.extend(frames),
        (None, Ok(_)) => group.refuse(index, "it has no pixels".to_owned()),
        (Some(reason), _) | (_, Err(reason)) => group.refuse(index, reason),
    }
    Ok(None)
}

impl Found {
    fn refuse(&mut self, file: usize, reason: String) {
        self.fault.get_or_insert((file, reason));
    }
}

impl About {
    /// What files of one series may not differ in.
    fn contradiction(&self, other: &Self) -> Option<String> {
        let differs = |what: &str| Some(format!("its {what} is not that of the series' other files"));
        if self.study_uid != other.study_uid {
            differs("study")
        } else if self.frame_of_reference_uid != other.frame_of_reference_uid {
            differs("frame of reference")
        } else if self.patient() != other.patient() {
            differs("patient")
        } else {
            None
        }
    }

    fn patient(&self) -> Option<&str> {
        let tag = dicom_dictionary_std::tags::PATIENT_ID;
        self.copied.iter().find(|(other, _)| *other == tag).map(|(_, id)| id.as_str())
    }
}

fn summary(about: &About, n_images: usize) -> SeriesSummary {
    SeriesSummary {
        uid: about.series_uid.clone(),
        description: about.description.clone(),
        number: about.number.clone(),
        modality: about.modality.clone(),
        n_images,
    }
}

fn choose(
    path: &Path,
    mut found: BTreeMap<String, Found>,
    series: Option<&str>,
    passed: &[String],
) -> Result<Found, DicomError> {
    let summaries: Vec<_> = found.values().map(|one| summary(&one.about, one.frames.len())).collect();
    let path = path.to_owned();
    let of_number: Vec<&String> = match series {
        Some(wanted) => found.iter().filter(|(_, one)| one.about.number == wanted).map(|(uid, _)| uid).collect(),
        None => Vec::new(),
    };
    let n_found = of_number.len();
    let chosen = match (series, &of_number[..]) {
        (Some(wanted), _) if found.contains_key(wanted) => found.remove(wanted),
        (Some(_), [only]) => found.remove(&(*only).clone()),
        (Some(_), _) => None,
        (None, _) if found.len() > 1 => return Err(DicomError::SeveralSeries { path, series: summaries }),
        (None, _) => found.pop_first().map(|(_, only)| only),
    };
    chosen.ok_or_else(|| match series {
        Some(wanted) if !summaries.is_empty() => {
            DicomError::NoSuchSeries { path, wanted: wanted.to_owned(), n_found, series: summaries }
        }
        _ => {
            let held = if passed.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it holds {}", passed.join(", "))
            };
            DicomError::malformed(&path, format!("no image series of CT, MR or PET lies in it: {held}"))
        }
    })
}

impl Fault {
    fn into_reason(self) -> String {
        match self {
            Self::Truncated => "it is truncated".to_owned(),
            Self::Malformed(reason) => reason,
        }
    }
}
