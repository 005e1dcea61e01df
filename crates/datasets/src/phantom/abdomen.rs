//! The abdomen: eight organs between a wall with ribs, a spine, vessels and bowel.

use fastersam_volume::KeyedRng;

use super::acquisition::{Acquisition, Phantom};
use super::noise::Lattice;
use super::render::{AnatomySlice, Scanner, Voxel};
use super::shape::{Ellipsoid, Pose, Section, Tissue};

/// Keeps the draws of this family apart from every other use of the seed.
const ABDOMEN: u64 = 0x6162_646f;

const AIR: f64 = -160.0;
const FAT: f64 = -95.0;
const MUSCLE: f64 = 50.0;
/// What lies between the organs: fat, small vessels and empty bowel, finely mixed.
const MESENTERY: Tissue = Tissue { class: 0, mean: -45.0, texture: 45.0, rim: 0.0 };

/// Half axes of the skin.
const BODY: [f64; 2] = [0.90, 0.74];

const fn organ(class: u8, mean: f64, texture: f64, rim: f64) -> Tissue {
    Tissue { class, mean, texture, rim }
}

const fn ellipsoid(
    tissue: Tissue,
    centre: [f64; 2],
    radius: [f64; 2],
    turn: f64,
    z: [f64; 2],
    tilt: [f64; 2],
) -> Ellipsoid {
    Ellipsoid { tissue, centre, radius, turn, z, tilt }
}

/// The organs, the first on top where two overlap. Columns run to the patient's left: the liver is on
/// the left of the image.
const ORGANS: [Ellipsoid; 8] = [
    ellipsoid(organ(1, 112.0, 8.0, 0.0), [0.09, 0.17], [0.135, 0.135], 0.0, [0.5, 0.75], [0.02, 0.03]),
    ellipsoid(organ(3, 105.0, 20.0, 30.0), [0.44, 0.31], [0.175, 0.16], 0.25, [0.34, 0.34], [-0.04, 0.02]),
    ellipsoid(organ(4, 105.0, 20.0, 30.0), [-0.43, 0.33], [0.175, 0.16], -0.25, [0.30, 0.33], [0.04, 0.02]),
    ellipsoid(organ(2, 22.0, 8.0, 45.0), [-0.28, -0.36], [0.145, 0.165], 0.2, [0.47, 0.29], [0.02, 0.05]),
    ellipsoid(organ(6, 72.0, 45.0, 0.0), [0.08, -0.10], [0.30, 0.135], -0.12, [0.46, 0.27], [0.03, -0.03]),
    ellipsoid(organ(7, 95.0, 12.0, 0.0), [0.60, 0.08], [0.175, 0.27], -0.12, [0.70, 0.33], [0.02, -0.03]),
    ellipsoid(organ(8, 45.0, 30.0, 50.0), [0.32, -0.30], [0.29, 0.20], 0.12, [0.72, 0.32], [0.05, 0.02]),
    ellipsoid(organ(5, 88.0, 15.0, 0.0), [-0.41, -0.06], [0.40, 0.45], 0.10, [0.66, 0.42], [0.05, -0.03]),
];

pub(super) fn draw(seed: u64, case_index: usize, size: usize) -> Acquisition {
    let key = [ABDOMEN, case_index as u64];
    let mut rng = KeyedRng::new(seed, &[key[0], key[1], 1]);
    let n_slices = 12 + rng.below(9);
    let anatomy = Anatomy::draw(&mut rng);
    let scanner = Scanner {
        pose: Pose::draw(&mut rng, 1.07, 0.05, 0.08, 0.06),
        warp: [0, 1].map(|_| Lattice::new(&mut rng, [3, 4, 4], 0.06)),
        fine_warp: [0, 1].map(|_| Lattice::new(&mut rng, [5, 11, 11], 0.022)),
        texture: Lattice::new(&mut rng, [9, 30, 30], 1.0),
        gain: Lattice::new(&mut rng, [2, 3, 3], 0.06),
        floor: AIR,
        noise: rng.range(24.0, 34.0),
    };
    let (raw, label) = scanner.image([n_slices, size], (seed, key), |z| anatomy.slice(z));
    // A body of 36 cm, in steps that f32 holds exactly.
    let pixel_mm = (rng.range(0.94, 1.06) * 400.0 / size as f64 * 64.0).round() / 64.0;
    let slice_mm = [5.0, 6.0, 7.5][rng.below(3)];
    Acquisition {
        family: Phantom::Abdomen,
        id: format!("case{:04}", case_index + 1),
        raw,
        label,
        spacing_mm: [slice_mm, pixel_mm, pixel_mm],
    }
}

/// Everything that is fixed for one case.
struct Anatomy {
    fat_layer: f64,
    muscle_layer: f64,
    /// Number of slices' extents between two ribs, and where they start.
    rib_phase: f64,
    mesentery: Tissue,
    muscle: f64,
    spine: Ellipsoid,
    organs: Vec<Ellipsoid>,
    /// Vessels and bowel, under the organs.
    distractors: Vec<Ellipsoid>,
}

impl Anatomy {
    fn draw(rng: &mut KeyedRng) -> Self {
        // Contrast agent and tube voltage: all soft tissue is brighter or darker in one case.
        let gain = rng.range(0.85, 1.15);
        let offset = rng.range(-12.0, 12.0);
        let tint = |tissue: Tissue, by: f64| Tissue { mean: tissue.mean * gain + offset + by, ..tissue };
        let organs = ORGANS
            .iter()
            .map(|organ| {
                let varied = organ.varied(rng, 1.0);
                Ellipsoid { tissue: tint(organ.tissue, rng.range(-10.0, 10.0)), ..varied }
            })
            .collect();
        let bone = organ(0, 190.0, 50.0, 60.0);
        let spine = ellipsoid(bone, [0.0, 0.44], [0.17, 0.15], 0.0, [0.5, 2.0], [0.0, 0.05]).varied(rng, 0.7);
        // The inferior vena cava looks like the aorta and has no label.
        let cava =
            ellipsoid(organ(0, 100.0, 8.0, 0.0), [-0.17, 0.18], [0.11, 0.085], 0.1, [0.5, 2.0], [0.0, 0.02]);
        let mut distractors = vec![Ellipsoid { tissue: tint(cava.tissue, 0.0), ..cava.varied(rng, 1.0) }];
        for _ in 0..9 + rng.below(4) {
            let tissue = organ(0, rng.range(15.0, 115.0), rng.range(8.0, 45.0), rng.range(-30.0, 50.0));
            let centre = [rng.range(-0.65, 0.65), rng.range(-0.5, 0.2)];
            let radius = [rng.range(0.10, 0.21), rng.range(0.08, 0.13)];
            let z = [rng.range(-0.05, 0.6), rng.range(0.12, 0.3)];
            let loop_ = ellipsoid(tissue, centre, radius, rng.range(-1.0, 1.0), z, [0.0; 2]).varied(rng, 1.0);
            distractors.push(Ellipsoid { tissue: tint(tissue, 0.0), ..loop_ });
        }
        Self {
            fat_layer: rng.range(0.04, 0.11),
            muscle_layer: rng.range(0.05, 0.08),
            rib_phase: rng.uniform(),
            mesentery: tint(MESENTERY, rng.range(-8.0, 8.0)),
            muscle: MUSCLE * gain + offset,
            spine,
            organs,
            distractors,
        }
    }

    fn slice(&self, z: f64) -> Slice<'_> {
        let sections = |shapes: &[Ellipsoid]| shapes.iter().filter_map(|s| s.section(z)).collect();
        Slice {
            anatomy: self,
            organs: sections(&self.organs),
            others: sections(&self.distractors),
            spine: self.spine.section(z),
            ribs: self.ribs(z),
        }
    }

    /// Ribs come down the wall from back to front, so that each slice cuts them elsewhere.
    fn ribs(&self, z: f64) -> Vec<[f64; 2]> {
        let depth = 1.0 - 0.5 * (self.fat_layer + self.muscle_layer) - 0.45 * self.fat_layer;
        let mut ribs = Vec::new();
        for i in 0..6 {
            let along = (f64::from(i) + self.rib_phase + 2.5 * z) / 6.0;
            let t = 1.6 * (along - along.floor()) - 0.8;
            // A rational parameterisation of the half circle.
            let (side, up) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
            for sign in [-1.0, 1.0] {
                ribs.push([sign * side * BODY[0] * depth, -up * BODY[1] * depth]);
            }
        }
        ribs
    }
}

struct Slice<'a> {
    anatomy: &'a Anatomy,
    organs: Vec<Section>,
    others: Vec<Section>,
    spine: Option<Section>,
    ribs: Vec<[f64; 2]>,
}

impl AnatomySlice for Slice<'_> {
    fn at(&self, place: [f64; 2]) -> Voxel {
        let [x, y] = place;
        let body = self.anatomy;
        let within = |inset: f64| {
            let (u, v) = (x / (BODY[0] - inset), y / (BODY[1] - inset));
            u * u + v * v < 1.0
        };
        let plain = |intensity: f64, texture: f64| Voxel { class: 0, intensity, texture };
        if !within(0.0) {
            return plain(AIR, 0.0);
        }
        let is_rib = |rib: &[f64; 2]| {
            let (dx, dy) = (x - rib[0], y - rib[1]);
            dx * dx + dy * dy < 0.032 * 0.032
        };
        if self.ribs.iter().any(is_rib) {
            return plain(230.0, 20.0);
        }
        if !within(body.fat_layer) {
            return plain(FAT, 12.0);
        }
        if !within(body.fat_layer + body.muscle_layer) {
            return plain(body.muscle, 20.0);
        }
        if let Some(spine) = &self.spine {
            let level = spine.level(place);
            if level < 1.0 {
                return filled(spine, level);
            }
            // The muscles beside the spine.
            if y > 0.42 && level < 7.0 && x * x < 0.14 {
                return plain(body.muscle, 20.0);
            }
        }
        // A layer of fat keeps neighbours apart.
        for section in &self.organs {
            let level = section.level(place);
            if level < 1.0 {
                return filled(section, level);
            }
            if level < 1.12 {
                return plain(body.mesentery.mean, body.mesentery.texture);
            }
        }
        for section in &self.others {
            let level = section.level(place);
            if level < 1.0 {
                return filled(section, level);
            }
        }
        plain(body.mesentery.mean, body.mesentery.texture)
    }
}

/// Inside a structure, at a squared distance from its centre.
pub(super) fn filled(section: &Section, level: f64) -> Voxel {
    let Tissue { class, mean, texture, rim } = section.tissue;
    let rim = if level > 0.64 { rim } else { 0.0 };
    Voxel { class, intensity: mean + rim, texture }
}
