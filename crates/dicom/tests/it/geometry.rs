//! Where slices lie, and what makes of them no volume.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::made::{Image, check_refusal, numbers, scan_of, stack};

#[test]
fn slices_are_sorted_by_their_place_and_the_affine_is_that_of_nifti() {
    let scan = scan_of(&stack(4)).unwrap();
    assert_eq!(scan.voxels.dim(), (3, 2, 4));
    for ((column, row, slice), &value) in scan.voxels.indexed_iter() {
        assert_eq!(value, (100 * slice + 3 * row + column) as f32);
    }
    // DICOM's left and back are NIfTI's right and front with the other sign.
    assert_eq!(scan.grid.affine, [[-0.75, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 2.5, 30.0]]);
    assert_eq!(scan.grid.spacing_mm, [0.75, 0.5, 2.5]);
    assert!(scan.notes.is_empty(), "{:?}", scan.notes);
}

#[test]
fn oblique_and_sagittal_stacks_lie_where_their_files_say() {
    let (sin, cos) = 0.3_f64.sin_cos();
    for orientation in [[0.0, 1.0, 0.0, 0.0, 0.0, -1.0], [cos, sin, 0.0, 0.0, 0.0, -1.0]] {
        let [a, b, c, d, e, f] = orientation;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        let images: Vec<Image> = [2_u16, 0, 1]
            .map(|k| {
                let mut image = Image::axial(k);
                image.orientation = orientation;
                image.position_mm = normal.map(|direction| 5.0 + 4.0 * f64::from(k) * direction);
                image
            })
            .to_vec();
        let scan = scan_of(&images).unwrap();
        // Voxel (2, 1, 1) by the definition of the attributes (DICOM PS3.3, C.7.6.2.1.1), to the right, front and top.
        for (world, sign) in [-1.0, -1.0, 1.0].into_iter().enumerate() {
            let in_plane = 2.0 * 0.75 * orientation[world] + 0.5 * orientation[3 + world];
            let expected = sign * (5.0 + 4.0 * normal[world] + in_plane);
            let row = scan.grid.affine[world];
            let found = 2.0 * row[0] + row[1] + row[2] + row[3];
            assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
        }
        assert_eq!(scan.voxels[(2, 1, 1)], 105.0);
    }
}

#[test]
fn a_gap_is_refused_with_the_files_beside_it() {
    let images: Vec<Image> = stack(6).into_iter().filter(|image| !image.instance_uid.ends_with(".4")).collect();
    check_refusal(&images, &["1 slice is missing", "5.000 mm apart", "most others 2.500 mm", ".dcm"]);
    let mut uneven = stack(6);
    uneven[1].position_mm[2] += 1.0;
    check_refusal(&uneven, &["not evenly spaced"]);
    // Each distance is nearly right, and the sum is not.
    let mut drifting = stack(21);
    for image in &mut drifting {
        let k = (image.position_mm[2] - 30.0) / 2.5;
        image.position_mm[2] += 0.01 * k * k;
    }
    check_refusal(&drifting, &["not evenly spaced"]);
}

#[test]
fn rounded_positions_are_even() {
    let mut images = stack(5);
    images[1].position_mm[2] += 0.02;
    images[3].position_mm[0] += 0.01;
    let scan = scan_of(&images).unwrap();
    assert!((scan.grid.spacing_mm[2] - 2.5).abs() < 1e-9);
}

#[test]
fn a_tilted_gantry_is_refused() {
    let mut images = stack(5);
    for image in &mut images {
        image.position_mm[1] += 0.3 * image.position_mm[2];
    }
    check_refusal(&images, &["leans by 16.7 degrees", "tilted gantry", "dcm2niix"]);
}

#[test]
fn slices_at_one_place_are_refused() {
    let mut images = stack(3);
    let mut second_phase = Image::axial(1);
    second_phase.instance_uid = "1.2.3.4.99".to_owned();
    images.push(second_phase);
    check_refusal(&images, &["lie at one place", "phases"]);
    let mut copied = stack(3);
    copied.push(Image::axial(1));
    check_refusal(&copied, &["are the same slice"]);
    // The same volume twice.
    let mut twice = stack(3);
    for (at, mut image) in stack(3).into_iter().enumerate() {
        image.instance_uid = format!("1.2.3.4.{}", 50 + at);
        twice.push(image);
    }
    check_refusal(&twice, &["lie at one place"]);
}

#[test]
fn different_planes_are_refused() {
    let mut turned = stack(3);
    turned[1].orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
    check_refusal(&turned, &["different orientations"]);
    let mut scaled = stack(3);
    scaled[1].spacing_mm = [0.6, 0.75];
    check_refusal(&scaled, &["different pixel spacings"]);
    let mut cut = stack(3);
    cut[1].shape = [3, 2];
    check_refusal(&cut, &["different numbers of rows and columns"]);
}

#[test]
fn a_mosaic_is_refused() {
    let mut image = Image::axial(0);
    image.more.push((tags::IMAGE_TYPE, VR::CS, Some("ORIGINAL\\PRIMARY\\M\\MOSAIC".into())));
    check_refusal(&[image], &["mosaic", "dcm2niix"]);
}

#[test]
fn what_has_no_place_is_refused() {
    for (tag, reason) in [
        (tags::IMAGE_POSITION_PATIENT, "where it lies"),
        (tags::IMAGE_ORIENTATION_PATIENT, "how it lies"),
        (tags::PIXEL_SPACING, "how far apart its pixels are"),
    ] {
        let mut images = stack(2);
        images[0].more.push((tag, VR::DS, None));
        check_refusal(&images, &[reason]);
        images[0].more[0].2 = Some("NaN\\1\\2\\3\\4\\5".into());
        check_refusal(&images, &[reason]);
    }
    let mut skewed = stack(2);
    skewed.iter_mut().for_each(|image| image.orientation = [1.0, 0.0, 0.0, 0.5, 1.0, 0.0]);
    check_refusal(&skewed, &["no pair of directions at right angles"]);
}

#[test]
fn a_single_slice_has_the_thickness_that_it_names() {
    let mut image = Image::axial(0);
    let scan = scan_of(&[image.clone()]).unwrap();
    assert_eq!(scan.grid.spacing_mm[2], 1.0);
    assert!(scan.notes.iter().any(|note| note.contains("1 mm is assumed")), "{:?}", scan.notes);
    image.more.push((tags::SLICE_THICKNESS, VR::DS, Some(numbers(&[5.0]))));
    let scan = scan_of(&[image]).unwrap();
    assert_eq!((scan.grid.spacing_mm[2], scan.notes.len()), (5.0, 0));
}
