//! What a file says of its frames: which series they belong to and where they lie. A classic file has one frame; an enhanced
//! one has many, with functional groups that hold for all frames or for one.

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::attributes::{integer, items, number, numbers, text};
use crate::limits::MAX_ELEMENTS;

/// Objects that hold images of a volume; all others are passed over.
const CLASSIC: [&str; 3] =
    [uids::CT_IMAGE_STORAGE, uids::MR_IMAGE_STORAGE, uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE];
const ENHANCED: [&str; 6] = [
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE,
];

/// What all frames of a series share, and a segmentation of it takes over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Patient, study and frame of reference: attributes as texts, the empty ones among them.
    pub copied: Vec<(Tag, String)>,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frame of Reference UID; may be empty.
    pub frame_of_reference_uid: String,
    /// `CT`, `MR` or `PT`.
    pub modality: String,
    /// Series Number; may be empty.
    pub number: String,
    /// Series Description.
    pub description: String,
    /// Whether the images were ever compressed with a loss (`01`), by how much and how.
    pub lossy: [String; 3],
}

/// What a segmentation takes over from the images that it is of.
const COPIED: [Tag; 10] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::STUDY_ID,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::POSITION_REFERENCE_INDICATOR,
];

/// The grid of a frame, but for its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Number of rows and columns.
    pub shape: [usize; 2],
    /// Direction in which the column index grows, then that of the row index; to the patient's left, back and head.
    pub orientation: [f64; 6],
    /// Distance between rows, then between columns.
    pub spacing_mm: [f64; 2],
    /// Thickness or distance of slices as the file says it; the positions go before it.
    pub said_thickness_mm: Option<f64>,
}

/// One slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Index of its file.
    pub file: usize,
    /// Its place in the file, from 0.
    pub index: u32,
    /// Whether the file has frames that are counted.
    pub is_multi_frame: bool,
    /// SOP Class UID.
    pub sop_class: String,
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Center of its first pixel, to the patient's left, back and head.
    pub position_mm: [f64; 3],
    /// A stored number becomes a value by this factor and this summand.
    pub rescale: [f64; 2],
    /// The grid.
    pub plane: Plane,
}

/// What a kind of object is called that is passed over; `None` for images that can be a volume's.
pub fn passed_over(sop_class: &str) -> Option<String> {
    if CLASSIC.contains(&sop_class) || ENHANCED.contains(&sop_class) {
        return None;
    }
    let name = match sop_class {
        uids::MEDIA_STORAGE_DIRECTORY_STORAGE => "directory (DICOMDIR)",
        uids::SEGMENTATION_STORAGE => "segmentation",
        uids::RT_STRUCTURE_SET_STORAGE => "structure set",
        uids::RT_DOSE_STORAGE => "dose",
        other if other.starts_with(uids::SECONDARY_CAPTURE_IMAGE_STORAGE) => "secondary capture",
        other if other.starts_with("1.2.840.10008.5.1.4.1.1.88.") => "report",
        other if other.starts_with("1.2.840.10008.5.1.4.1.1.11.") => "presentation state",
        "" => "object without a class",
        _ => "object of another kind",
    };
    Some(name.to_owned())
}

/// Whether an image is a scout view.
pub fn is_localizer(object: &InMemDicomObject) -> bool {
    has_type(object, "LOCALIZER")
}

fn has_type(object: &InMemDicomObject, wanted: &str) -> bool {
    text(object, tags::IMAGE_TYPE).split('\\').any(|part| part.trim() == wanted)
}

impl About {
    /// Reads what frames share.
    pub fn of(object: &InMemDicomObject) -> Self {
        Self {
            copied: COPIED.iter().map(|&tag| (tag, text(object, tag))).collect(),
            study_uid: text(object, tags::STUDY_INSTANCE_UID),
            series_uid: text(object, tags::SERIES_INSTANCE_UID),
            frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID),
            modality: text(object, tags::MODALITY),
            number: text(object, tags::SERIES_NUMBER),
            description: text(object, tags::SERIES_DESCRIPTION).chars().take(64).collect(),
            lossy: [
                tags::LOSSY_IMAGE_COMPRESSION,
                tags::LOSSY_IMAGE_COMPRESSION_RATIO,
                tags::LOSSY_IMAGE_COMPRESSION_METHOD,
            ]
            .map(|tag| text(object, tag)),
        }
    }
}

/// The frames of an image.
///
/// # Errors
/// What is missing or can't be, in words.
pub fn frames(object: &InMemDicomObject, file: usize, sop_class: &str) -> Result<Vec<Frame>, String> {
    let sop_instance = text(object, tags::SOP_INSTANCE_UID);
    if sop_instance.is_empty() {
        return Err("it has no SOP Instance UID".to_owned());
    }
    if has_type(object, "MOSAIC") {
        return Err("it is a mosaic of slices in one image; dcm2niix takes it apart".to_owned());
    }
    let is_multi_frame = ENHANCED.contains(&sop_class);
    let n_frames = integer(object, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let per_frame = items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if is_multi_frame && (per_frame.len() != n_frames as usize || n_frames == 0) {
        return Err(format!("it has {n_frames} frames and says where {} of them lie", per_frame.len()));
    }
    if !is_multi_frame && n_frames != 1 {
        return Err(format!("it has {n_frames} frames, and an image of its kind has one"));
    }
    if n_frames as usize > MAX_ELEMENTS {
        return Err(format!("it has {n_frames} frames"));
    }
    let shared = items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let frame = |index: u32| {
        let places = if is_multi_frame {
            Places { own: per_frame.get(index as usize), shared, file: None }
        } else {
            Places { own: None, shared: None, file: Some(object) }
        };
        Ok(Frame {
            file,
            index,
            is_multi_frame,
            sop_class: sop_class.to_owned(),
            sop_instance: sop_instance.clone(),
            position_mm: places
                .get(tags::PLANE_POSITION_SEQUENCE, |group| numbers(group, tags::IMAGE_POSITION_PATIENT))
                .ok_or("it does not say where it lies (Image Position)")?,
            rescale: places.rescale()?,
            plane: places.plane(object)?,
        })
    };
    (0..n_frames).map(frame).collect()
}

/// Where attributes of a frame are looked for: in its own functional groups, in the shared ones, or in the file itself.
struct Places<'a> {
    own: Option<&'a InMemDicomObject>,
    shared: Option<&'a InMemDicomObject>,
    file: Option<&'a InMemDicomObject>,
}

impl Places<'_> {
    fn get<T>(&self, group: Tag, get: impl Fn(&InMemDicomObject) -> Option<T>) -> Option<T> {
        if let Some(file) = self.file {
            return get(file);
        }
        [self.own, self.shared].into_iter().flatten().find_map(|place| get(items(place, group).first()?))
    }

    fn plane(&self, object: &InMemDicomObject) -> Result<Plane, String> {
        let shape = [tags::ROWS, tags::COLUMNS].map(|tag| integer(object, tag).unwrap_or(0) as usize);
        if shape.contains(&0) || shape.iter().any(|&n| n > usize::from(u16::MAX)) {
            return Err(format!("it has {} rows and {} columns", shape[0], shape[1]));
        }
        let orientation: [f64; 6] = self
            .get(tags::PLANE_ORIENTATION_SEQUENCE, |group| numbers(group, tags::IMAGE_ORIENTATION_PATIENT))
            .ok_or("it does not say how it lies (Image Orientation)")?;
        let [a, b, c, d, e, f] = orientation;
        let (first, second) = (a * a + b * b + c * c, d * d + e * e + f * f);
        // Files round to few digits.
        let is_right =
            (first - 1.0).abs() < 1e-2 && (second - 1.0).abs() < 1e-2 && (a * d + b * e + c * f).abs() < 1e-2;
        if !is_right {
            return Err(format!("its Image Orientation {orientation:?} is no pair of directions at right angles"));
        }
        let measures = tags::PIXEL_MEASURES_SEQUENCE;
        let spacing_mm: [f64; 2] = self
            .get(measures, |group| numbers(group, tags::PIXEL_SPACING))
            .filter(|spacing: &[f64; 2]| spacing.iter().all(|&mm| mm > 0.0))
            .ok_or("it does not say how far apart its pixels are (Pixel Spacing)")?;
        let said = [tags::SPACING_BETWEEN_SLICES, tags::SLICE_THICKNESS]
            .into_iter()
            .find_map(|tag| self.get(measures, |group| number(group, tag)).filter(|&mm| mm > 0.0));
        Ok(Plane { shape, orientation, spacing_mm, said_thickness_mm: said })
    }

    /// Slope and intercept; 1 and 0 where there are none.
    fn rescale(&self) -> Result<[f64; 2], String> {
        let group = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        if self.get(group, |group| group.get(tags::MODALITY_LUT_SEQUENCE).map(|_| ())).is_some() {
            return Err("its values are given by a table (Modality LUT), which is not read here".to_owned());
        }
        let slope = self.get(group, |group| number(group, tags::RESCALE_SLOPE)).unwrap_or(1.0);
        let intercept = self.get(group, |group| number(group, tags::RESCALE_INTERCEPT)).unwrap_or(0.0);
        if slope == 0.0 {
            return Err("its Rescale Slope is 0".to_owned());
        }
        Ok([slope, intercept])
    }
}
