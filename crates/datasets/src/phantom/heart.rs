//! The heart in short axis: two blood pools of the same brightness, a wall as dark as its surroundings.

use fastersam_volume::KeyedRng;

use super::abdomen::filled;
use super::acquisition::{Acquisition, Phantom};
use super::noise::Lattice;
use super::render::{AnatomySlice, Scanner, Voxel};
use super::shape::{Ellipsoid, Pose, Section, Tissue, rotation};

/// Keeps the draws of this family apart from every other use of the seed.
const HEART: u64 = 0x6865_6172;

const RIGHT_VENTRICLE: u8 = 1;
const MYOCARDIUM: u8 = 2;
const LEFT_VENTRICLE: u8 = 3;

const LUNG: f64 = 90.0;
const FAT: f64 = 640.0;
const MUSCLE: f64 = 310.0;
const BLOOD: f64 = 590.0;

pub(super) fn draw(seed: u64, case_index: usize, size: usize) -> Acquisition {
    let patient = case_index / 2;
    let systole = case_index % 2 == 1;
    // Anatomy and pose belong to the patient, phase and noise to the case.
    let mut rng = KeyedRng::new(seed, &[HEART, patient as u64, 1]);
    let n_slices = 12 + rng.below(5);
    let anatomy = Anatomy::draw(&mut rng, systole);
    let scanner = Scanner {
        pose: Pose::draw(&mut rng, 1.0, 0.09, 0.10, 0.08),
        warp: [0, 1].map(|_| Lattice::new(&mut rng, [3, 4, 4], 0.05)),
        fine_warp: [0, 1].map(|_| Lattice::new(&mut rng, [4, 11, 11], 0.018)),
        texture: Lattice::new(&mut rng, [9, 30, 30], 1.0),
        gain: Lattice::new(&mut rng, [2, 3, 3], 0.3),
        floor: 0.0,
        noise: rng.range(55.0, 80.0),
    };
    let pixel_mm = (rng.range(0.9, 1.1) * 1.5 * 160.0 / size as f64 * 64.0).round() / 64.0;
    let slice_mm = [5.0, 8.0, 10.0][rng.below(3)];
    let (raw, label) = scanner.image([n_slices, size], (seed, [HEART, case_index as u64]), |z| anatomy.slice(z));
    let frame = if systole { SYSTOLIC_FRAME } else { DIASTOLIC_FRAME };
    Acquisition {
        family: Phantom::Heart,
        id: format!("patient{:03}_frame{frame:02}", patient + 1),
        // Magnitudes are never negative.
        raw: raw.mapv(|v| v.max(0)),
        label,
        spacing_mm: [slice_mm, pixel_mm, pixel_mm],
    }
}

/// Frames that the phantoms' `Info.cfg` names.
pub(super) const DIASTOLIC_FRAME: usize = 1;
pub(super) const SYSTOLIC_FRAME: usize = 12;

/// Everything that is fixed for one case. Lengths in half image widths.
struct Anatomy {
    /// Middle of the left ventricle at half height, and how it moves from apex to base.
    centre: [f64; 2],
    tilt: [f64; 2],
    cos: f64,
    sin: f64,
    cavity_radius: f64,
    wall: f64,
    /// From the left ventricle's middle, and its radii.
    right_centre: [f64; 2],
    right_radius: [f64; 2],
    /// Fractions of the extent where the wall, the cavity and the right ventricle begin, and where all end.
    begin: [f64; 3],
    end: f64,
    blood: f64,
    muscle: f64,
    papillary: [[f64; 2]; 2],
    chest: [f64; 2],
    lungs: [Ellipsoid; 2],
    /// Atria, vessels, liver and fat: without a label, under the heart.
    distractors: Vec<Ellipsoid>,
}

impl Anatomy {
    fn draw(rng: &mut KeyedRng, systole: bool) -> Self {
        let [cos, sin] = rotation(rng.range(-0.2, 0.2));
        let tissue = |mean: f64, texture: f64, rim: f64| Tissue { class: 0, mean, texture, rim };
        let blob = |tissue, centre, radius, z| Ellipsoid { tissue, centre, radius, turn: 0.0, z, tilt: [0.0; 2] };
        let blood = BLOOD * rng.range(0.9, 1.1);
        let muscle = MUSCLE * rng.range(0.88, 1.12);
        let always = [0.5, 2.0];
        let air = tissue(LUNG, 60.0, 0.0);
        let lungs = [
            blob(air, [-0.78, -0.02], [0.30, 0.62], always).varied(rng, 1.0),
            blob(air, [0.80, 0.06], [0.27, 0.60], always).varied(rng, 1.0),
        ];
        let mut distractors = vec![
            // The descending aorta: a bright disc with a dark wall, a small left ventricle to the eye.
            blob(tissue(blood, 20.0, muscle - blood), [0.40, 0.60], [0.15, 0.15], always),
            // The right atrium and the outflow tracts, near the base.
            blob(tissue(blood, 40.0, 0.0), [-0.30, 0.50], [0.20, 0.16], [0.85, 0.5]),
            blob(tissue(blood, 40.0, 0.0), [0.05, -0.55], [0.17, 0.13], [0.9, 0.5]),
            // Liver and stomach under the diaphragm.
            blob(tissue(muscle * 1.15, 60.0, 0.0), [-0.45, 0.62], [0.38, 0.24], [0.1, 0.5]),
            blob(tissue(muscle * 1.5, 120.0, -90.0), [0.55, 0.35], [0.22, 0.18], [0.0, 0.3]),
        ];
        for _ in 0..3 + rng.below(4) {
            let mean = if rng.uniform() < 0.5 { FAT } else { blood * rng.range(0.8, 1.1) };
            let radius = [rng.range(0.06, 0.14), rng.range(0.05, 0.09)];
            let centre = [rng.range(-0.6, 0.6), rng.range(-0.7, 0.7)];
            let z = [rng.uniform(), rng.range(0.2, 0.6)];
            distractors.push(blob(tissue(mean, 50.0, 0.0), centre, radius, z));
        }
        let distractors = distractors.into_iter().map(|d| d.varied(rng, 1.2)).collect();
        let (radius, wall) = (rng.range(0.20, 0.25), rng.range(0.155, 0.175));
        // The muscle keeps its volume when the cavity empties.
        let (squeeze, thicken, shrink) = (rng.range(0.72, 0.82), rng.range(1.12, 1.22), rng.range(0.82, 0.9));
        let phase = |at_systole: f64| if systole { at_systole } else { 1.0 };
        Self {
            centre: [rng.range(0.04, 0.20), rng.range(-0.08, 0.10)],
            tilt: [rng.range(-0.10, 0.02), rng.range(-0.05, 0.05)],
            cos,
            sin,
            cavity_radius: radius * phase(squeeze),
            wall: wall * phase(thicken),
            right_centre: [rng.range(-0.44, -0.38), rng.range(-0.04, 0.06)],
            right_radius: [rng.range(0.27, 0.32), rng.range(0.36, 0.42)].map(|r| r * phase(shrink)),
            begin: [rng.range(0.04, 0.1), rng.range(0.14, 0.22), rng.range(0.22, 0.34)],
            end: rng.range(0.84, 0.95),
            blood,
            muscle,
            papillary: [[0.45, rng.range(0.2, 0.5)], [-0.1, -rng.range(0.45, 0.6)]],
            chest: [rng.range(1.0, 1.12), rng.range(0.84, 0.94)],
            lungs,
            distractors,
        }
    }

    fn slice(&self, z: f64) -> Slice<'_> {
        // Blunt at the apex, full from the middle to the base.
        let up = ((z - self.begin[0]) / 0.6).clamp(0.0, 1.0);
        let taper = 0.68 + 0.32 * (1.0 - (1.0 - up) * (1.0 - up));
        let begun = self.begin.map(|begin| z > begin && z < self.end);
        let along = 2.0 * z - 1.0;
        Slice {
            anatomy: self,
            centre: [self.centre[0] + along * self.tilt[0], self.centre[1] + along * self.tilt[1]],
            cavity: if begun[1] { self.cavity_radius * taper } else { 0.0 },
            outer: if begun[0] { self.cavity_radius * taper + self.wall } else { 0.0 },
            right: begun[2].then(|| self.right_radius.map(|r| 1.0 / (r * taper))),
            lungs: self.lungs.iter().filter_map(|s| s.section(z)).collect(),
            others: self.distractors.iter().filter_map(|s| s.section(z)).collect(),
        }
    }
}

struct Slice<'a> {
    anatomy: &'a Anatomy,
    centre: [f64; 2],
    cavity: f64,
    outer: f64,
    /// Inverse radii of the right ventricle, where the slice cuts it.
    right: Option<[f64; 2]>,
    lungs: Vec<Section>,
    others: Vec<Section>,
}

impl Slice<'_> {
    fn heart_at(&self, [x, y]: [f64; 2]) -> Option<Voxel> {
        let body = self.anatomy;
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let [u, v] = [body.cos * dx + body.sin * dy, body.cos * dy - body.sin * dx];
        let square = u * u + v * v;
        if square < self.cavity * self.cavity {
            // Papillary muscles belong to the cavity, as in ACDC's label maps.
            let is_papillary = body.papillary.iter().any(|p| {
                let (du, dv) = (u - p[0] * self.cavity, v - p[1] * self.cavity);
                du * du + dv * dv < 0.035 * 0.035
            });
            let intensity = if is_papillary { body.muscle } else { body.blood };
            return Some(Voxel { class: LEFT_VENTRICLE, intensity, texture: 25.0 });
        }
        if square < self.outer * self.outer {
            return Some(Voxel { class: MYOCARDIUM, intensity: body.muscle, texture: 25.0 });
        }
        if let Some(inverse) = self.right {
            let [a, b] = [(u - body.right_centre[0]) * inverse[0], (v - body.right_centre[1]) * inverse[1]];
            let level = a * a + b * b;
            if level < 1.0 {
                return Some(Voxel { class: RIGHT_VENTRICLE, intensity: body.blood, texture: 60.0 });
            }
            // The thin free wall, which nobody labels.
            if level < 1.25 {
                return Some(Voxel { class: 0, intensity: body.muscle, texture: 25.0 });
            }
        }
        // Fat around the heart.
        let fat = self.outer + 0.035;
        (self.outer > 0.0 && square < fat * fat).then_some(Voxel { class: 0, intensity: 0.8 * FAT, texture: 80.0 })
    }
}

impl AnatomySlice for Slice<'_> {
    fn at(&self, place: [f64; 2]) -> Voxel {
        let [x, y] = place;
        let chest = self.anatomy.chest;
        let within = |inset: f64| {
            let (u, v) = (x / (chest[0] - inset), y / (chest[1] - inset));
            u * u + v * v < 1.0
        };
        let plain = |intensity: f64, texture: f64| Voxel { class: 0, intensity, texture };
        if !within(0.0) {
            return plain(30.0, 0.0);
        }
        if !within(0.07) {
            return plain(FAT, 60.0);
        }
        if let Some(voxel) = self.heart_at(place) {
            return voxel;
        }
        if !within(0.17) {
            return plain(self.anatomy.muscle, 60.0);
        }
        for section in self.others.iter().chain(&self.lungs) {
            let level = section.level(place);
            if level < 1.0 {
                return filled(section, level);
            }
        }
        // The mediastinum between the lungs.
        plain(0.8 * self.anatomy.muscle, 90.0)
    }
}
