//! What a label map says beside its classes: measurements, probabilities, where tokens paused; its file in other hands.

use burn::tensor::Device;
use fastersam::{
    CheckpointInfo, LabelMap, ModelOptions, Orientation, PauseSettings, Preset, Scan, ScanFile, SegmentOptions,
    Segmenter, VolumeSegmenter,
};
use fastersam_volume::resample::zoom_nearest;
use fastersam_volume::{Intensity, KeyedRng, LabelTable, write_image_volume};
use ndarray::{Array2, Array3, Axis};

const SIZE: usize = 64;
/// How the model sees the scan, and how the scan lies: no axis is where it was, two run the other way.
const SEEN: Orientation = Orientation { axes: [0, 2, 1], positive: [true, false, true] };
const LIES: Orientation = Orientation { axes: [1, 0, 2], positive: [false, true, true] };

/// A random model and a scan of random disks, in a file.
fn segment(folder: &std::path::Path, codes: [u16; 3]) -> (LabelMap, ScanFile) {
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(SIZE);
    let config = options.resolve(4).unwrap();
    let model = config.init(3, &Device::flex()).unwrap();
    let labels = LabelTable::new(&["right ventricle", "myocardium", "left ventricle"]).with_codes(codes);
    let info =
        CheckpointInfo::new(config, labels, Intensity::ClipTop { percentile: 99.0 }, SEEN, "phantoms".to_owned());
    let segmenter = Segmenter::new(info, VolumeSegmenter::new(model.prepack())).with_batch_size(3);
    let mut rng = KeyedRng::new(1, &[]);
    let scan = Array3::from_shape_fn((12, 31, 40), |(slice, row, col)| {
        let is_blood = (row as f64 - 12.0 - slice as f64).hypot(col as f64 - 25.0) < 9.0;
        (if is_blood { 600.0 } else { 150.0 } + 60.0 * rng.normal()).max(0.0) as i16
    });
    let path = folder.join("scan.nii.gz");
    write_image_volume(&path, &scan, [3.0, 1.5, 1.0], LIES).unwrap();
    let mut file = ScanFile::open(&path).unwrap();
    let options = SegmentOptions {
        pausing: PauseSettings::keep_ratio([0.5]),
        probabilities: true,
        ..SegmentOptions::default()
    };
    let map = segmenter.segment_file(&mut file, &options, |_| {}).unwrap();
    (map, file)
}

#[test]
fn measurements_are_those_of_counting_voxel_by_voxel() {
    let folder = tempfile::tempdir().unwrap();
    let (map, file) = segment(folder.path(), [1, 2, 3]);
    let scan = Scan::read(&file.path).unwrap();
    let statistics = map.statistics(|see| file.for_each_voxel(see)).unwrap();
    assert_eq!(statistics, map.statistics(|see| scan.for_each_voxel(see)).unwrap());
    let mut n_found = 0;
    for (class, found) in (1_u8..).zip(&statistics) {
        let places: Vec<_> = map.classes.indexed_iter().filter(|(_, c)| **c == class).map(|(at, _)| at).collect();
        assert_eq!((found.n_voxels, found.code), (places.len(), class.into()));
        assert!((found.volume_ml - 4.5e-3 * places.len() as f64).abs() < 1e-9);
        if places.is_empty() {
            assert_eq!((found.mean_intensity, found.bounding_box_vox, found.n_components), (None, None, 0));
            continue;
        }
        n_found += 1;
        let values: Vec<f64> = places.iter().map(|&at| f64::from(scan.voxels[at])).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((found.mean_intensity.unwrap() - mean).abs() < 1e-6);
        assert!((found.std_intensity.unwrap() - variance.sqrt()).abs() < 1e-6);
        let bounds = |of: fn(&(usize, usize, usize)) -> usize| {
            [places.iter().map(of).min().unwrap(), places.iter().map(of).max().unwrap()]
        };
        assert_eq!(found.bounding_box_vox, Some([bounds(|at| at.0), bounds(|at| at.1), bounds(|at| at.2)]));
        assert!(found.n_components >= 1 && found.largest_component_ml <= found.volume_ml);
    }
    assert!(n_found >= 1, "a map of background shows nothing");
}

#[test]
fn the_class_is_the_most_probable_one_and_pauses_lie_where_the_slices_say() {
    let folder = tempfile::tempdir().unwrap();
    let (mut map, file) = segment(folder.path(), [1, 2, 3]);
    let probabilities = map.probabilities.take().unwrap();
    for ((i, j, k), &class) in map.classes.indexed_iter() {
        let of = |class: usize| probabilities[(class, k, j, i)];
        let (sum, largest) = ((0..4).map(of).sum::<f32>(), (0..4).map(of).fold(0.0, f32::max));
        // To the last row and column of other sizes, zoom's rounding may give nothing: the value 0 in map and shares.
        assert!((sum - 1.0).abs() < 1e-5 || (sum == 0.0 && class == 0), "{sum} at {i} {j} {k}");
        assert_eq!(of(class.into()), largest, "at {i} {j} {k}");
    }
    let scan = Scan::read(&file.path).unwrap();
    let pauses = Scan { voxels: map.pause_map().mapv(f32::from), ..scan };
    let (seen, _) = pauses.oriented(SEEN);
    for (slice, pauses) in seen.outer_iter().zip(&map.slices) {
        let side = pauses.paused_at.len().isqrt();
        let patch = SIZE / side;
        let tokens = Array2::from_shape_fn((SIZE, SIZE), |(y, x)| pauses.paused_at[y / patch * side + x / patch]);
        assert_eq!(slice.mapv(|at| at as u8), zoom_nearest(tokens.view(), slice.dim().into()));
    }
    assert!(seen.iter().any(|&at| at > 0.0), "nothing paused");
    assert_eq!(map.slices.len(), seen.len_of(Axis(0)));
}

#[test]
fn a_file_has_the_codes_of_the_data_set_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for codes in [[7, 3, 205], [7, 3, 1005]] {
        let (map, _) = segment(folder.path(), codes);
        let target = folder.path().join("map.nii.gz");
        let names = map.write(&target).unwrap();
        let codes = [0, codes[0], codes[1], codes[2]];
        let written = Scan::read(&target).unwrap();
        assert_eq!(written.voxels, map.classes.mapv(|class| f32::from(codes[usize::from(class)])));
        let names: std::collections::BTreeMap<u16, String> =
            serde_json::from_slice(&std::fs::read(names).unwrap()).unwrap();
        assert_eq!(names[&7], "right ventricle");
        assert_eq!(names.keys().copied().collect::<std::collections::BTreeSet<u16>>(), codes.into());
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2_open(&target), &mut bytes).unwrap();
        let header = String::from_utf8_lossy(&bytes[352..bytes.len().min(4096)]).into_owned();
        assert!(header.contains("<Label Key=\"3\"") && header.contains("<![CDATA[myocardium]]>"), "{header}");
    }
}

fn flate2_open(path: &std::path::Path) -> impl std::io::Read {
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
}

#[test]
fn only_the_largest_part_of_a_class_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut map, file) = segment(folder.path(), [1, 2, 3]);
    let parts = |map: &LabelMap| {
        let statistics = map.statistics(|see| file.for_each_voxel(see)).unwrap();
        statistics.iter().map(|class| (class.n_components, class.n_voxels)).collect::<Vec<_>>()
    };
    let before = parts(&map);
    let class = (1_u8..).zip(&before).max_by_key(|(_, (n, _))| *n).unwrap().0;
    assert!(before[usize::from(class) - 1].0 > 1, "nothing to drop: {before:?}");
    let removed = map.keep_largest(class);
    let after = parts(&map);
    for (other, (before, after)) in (1_u8..).zip(before.iter().zip(&after)) {
        if other == class {
            assert_eq!((after.0, after.1 + removed), (1, before.1));
        } else {
            assert_eq!(before, after);
        }
    }
}
