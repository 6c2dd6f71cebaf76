//! The spectrum of one layer as a figure for papers and wikis: share of the eigenvalues by decade on
//! log-log axes, the power law and where it begins, the edge of the noise, and what lies beyond it.

use std::fmt::Display;

use plotters::chart::ChartContext;
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;

use super::{ScanLayer, escape, number};
use crate::num;
use crate::spectrum::metric::Metric;

const SIZE: (u32, u32) = (840, 520);
const BINS: usize = 44;
/// This share of the eigenvalues, the smallest, is left out.
const LEFT_OUT: f64 = 0.01;
/// So many eigenvalues beyond the edge are drawn one by one.
const SPIKES: usize = 24;
const INK: RGBColor = RGBColor(27, 36, 48);
const MUTED: RGBColor = RGBColor(86, 98, 115);
const LINE: RGBColor = RGBColor(223, 228, 234);
const ACCENT: RGBColor = RGBColor(10, 100, 173);
const FIT: RGBColor = RGBColor(168, 66, 10);

#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error("cannot draw layer `{layer}`: it has no spectrum")]
    NoSpectrum { layer: String },
    #[error("cannot draw layer `{layer}`: {reason}")]
    Drawing { layer: String, reason: String },
}

/// A power law over the tail.
#[derive(Debug, Clone, Copy)]
struct Fit {
    alpha: f64,
    xmin: f64,
    xmax: f64,
    /// Share of the eigenvalues at or beyond `xmin`.
    share: f64,
    /// Whether alpha is reported, or only what was fitted.
    holds: bool,
}

impl Fit {
    fn of(layer: &ScanLayer, count: f64) -> Option<Self> {
        let fit = layer.metrics.fit.as_ref()?;
        Some(Self {
            alpha: fit.value(Metric::Alpha)?,
            xmin: fit.value(Metric::Xmin)?,
            xmax: fit.value(Metric::Xmax)?,
            share: fit.value(Metric::TailCount)? / count,
            holds: layer.metrics.table.value(Metric::Alpha).is_some(),
        })
    }

    /// Share by decade: lambda ln 10 times the density.
    fn at(self, lambda: f64) -> f64 {
        let fall = (lambda / self.xmin).powf(1.0 - self.alpha);
        self.share * (self.alpha - 1.0) * std::f64::consts::LN_10 * fall
    }
}

/// What is drawn, in units of the axes.
#[derive(Debug)]
struct Figure {
    title: String,
    /// Outline of the histogram.
    steps: Vec<(f64, f64)>,
    x: (f64, f64),
    y: (f64, f64),
    fit: Option<Fit>,
    edge: Option<f64>,
    spikes: Vec<f64>,
}

impl Figure {
    fn of(layer: &ScanLayer) -> Option<Self> {
        let profile = &layer.metrics.profile;
        let (low, high) = profile.range(LEFT_OUT)?;
        // A flat spectrum still needs an axis.
        let (low, high) = if high - low < 0.02 {
            (low - 0.5, high + 0.5)
        } else {
            (low, high)
        };
        let count = profile.count() as f64;
        let width = (high - low) / BINS as f64;
        let floor = 0.5 / (count * width);
        let mut steps = Vec::with_capacity(2 * BINS);
        for (bin, amount) in profile.histogram(low, high, BINS).into_iter().enumerate() {
            let share = num::max(amount / (count * width), floor);
            for end in [bin, bin + 1] {
                steps.push((10_f64.powf(low + width * end as f64), share));
            }
        }
        let fit = Fit::of(layer, count);
        let peaks = steps.iter().map(|(_, share)| *share);
        let peak = peaks
            .chain(fit.map(|fit| fit.at(fit.xmin)))
            .fold(floor, num::max);
        let edge = layer.metrics.table.value(Metric::MpEdge);
        let largest = profile.largest(SPIKES).iter();
        let largest = largest.map(|value| 10_f64.powf(f64::from(*value)));
        Some(Self {
            title: escape::shorten(&escape::terminal(layer.name.as_str()), 84).into_owned(),
            steps,
            x: (10_f64.powf(low), 10_f64.powf(high) * 1.15),
            y: (floor, peak * 1.8),
            fit,
            edge,
            spikes: largest
                .filter(|value| edge.is_some_and(|edge| *value > edge))
                .collect(),
        })
    }

    fn is_within(&self, lambda: f64) -> bool {
        (self.x.0..=self.x.1).contains(&lambda)
    }

    /// Whether the legend hides less in the upper left than in the upper right: each takes about two
    /// fifths of the width.
    fn is_lower_on_the_left(&self) -> bool {
        let width = (self.x.1 / self.x.0).ln();
        let place = |lambda: f64| (lambda / self.x.0).ln() / width;
        let line = self.fit.map(|fit| falling(fit, self.y.0));
        let points = self.steps.iter().chain(line.iter().flatten());
        let (mut left, mut right) = (self.y.0, self.y.0);
        for (lambda, share) in points {
            if place(*lambda) <= 0.4 {
                left = num::max(left, *share);
            }
            if place(*lambda) >= 0.6 {
                right = num::max(right, *share);
            }
        }
        left < right
    }
}

/// The figure as an SVG document; the same layer gives the same bytes.
///
/// # Errors
/// Where the layer has no spectrum (a matrix that is zero or was not decomposed).
pub fn spectrum(layer: &ScanLayer) -> Result<String, FigureError> {
    let name = || layer.name.as_str().to_owned();
    let figure = Figure::of(layer).ok_or_else(|| FigureError::NoSpectrum { layer: name() })?;
    let mut svg = String::new();
    draw(&figure, &mut svg).map_err(|reason| FigureError::Drawing {
        layer: name(),
        reason,
    })?;
    svg.push('\n');
    Ok(svg)
}

type Axes<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Only 1, 2 and 5 of each decade: the others would stand in each other's way.
fn label(value: f64) -> String {
    let leading = value / 10_f64.powf(value.log10().floor());
    let is_kept = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .any(|kept| (leading - kept).abs() <= 1e-6);
    if is_kept {
        number::short(value)
    } else {
        String::new()
    }
}

fn draw(figure: &Figure, svg: &mut String) -> Result<(), String> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(text)?;
    let mut axes = ChartBuilder::on(&root)
        .caption(&figure.title, ("sans-serif", 17).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(48)
        .y_label_area_size(66)
        .build_cartesian_2d(
            (figure.x.0..figure.x.1).log_scale(),
            (figure.y.0..figure.y.1).log_scale(),
        )
        .map_err(text)?;
    axes.configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINE)
        .axis_style(MUTED)
        .x_desc("eigenvalue")
        .y_desc("share of eigenvalues per decade")
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .label_style(("sans-serif", 13).into_font().color(&MUTED))
        .draw()
        .map_err(text)?;
    draw_spectrum(figure, &mut axes)?;
    draw_marks(figure, &mut axes)?;
    axes.configure_series_labels()
        .position(if figure.is_lower_on_the_left() {
            SeriesLabelPosition::UpperLeft
        } else {
            SeriesLabelPosition::UpperRight
        })
        .background_style(WHITE.mix(0.9))
        .border_style(LINE)
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()
        .map_err(text)?;
    drop(axes);
    root.present().map_err(text)
}

fn draw_spectrum(figure: &Figure, axes: &mut Axes<'_, '_>) -> Result<(), String> {
    let area = AreaSeries::new(figure.steps.iter().copied(), figure.y.0, ACCENT.mix(0.16));
    axes.draw_series(area.border_style(ACCENT.stroke_width(2)))
        .map_err(text)?
        .label("spectrum")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], ACCENT.stroke_width(2)));
    if let Some(fit) = figure.fit {
        let line = falling(fit, figure.y.0);
        let label = format!(
            "power law, alpha {}{}",
            number::short(fit.alpha),
            if fit.holds { "" } else { " (does not hold)" }
        );
        axes.draw_series(LineSeries::new(line, FIT.stroke_width(2)))
            .map_err(text)?
            .label(label)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], FIT.stroke_width(2)));
    }
    Ok(())
}

/// The power law from `xmin` to `xmax`, or to where it leaves the axes.
fn falling(fit: Fit, floor: f64) -> Vec<(f64, f64)> {
    let steps = 64_u32;
    let ratio = (fit.xmax / fit.xmin).ln() / f64::from(steps);
    (0..=steps)
        .map(|step| fit.xmin * (ratio * f64::from(step)).exp())
        .map(|lambda| (lambda, fit.at(lambda)))
        .take_while(|(_, share)| *share >= floor)
        .collect()
}

fn draw_marks(figure: &Figure, axes: &mut Axes<'_, '_>) -> Result<(), String> {
    let (floor, peak) = figure.y;
    let xmin = figure.fit.map(|fit| ("xmin", fit.xmin, FIT));
    let edge = figure.edge.map(|edge| ("edge of the noise", edge, MUTED));
    for (name, at, colour) in [xmin, edge].into_iter().flatten() {
        if !figure.is_within(at) {
            continue;
        }
        let line = DashedLineSeries::new([(at, floor), (at, peak)], 5, 4, colour.stroke_width(1));
        axes.draw_series(line)
            .map_err(text)?
            .label(format!("{name} {}", number::short(at)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(1)));
    }
    if !figure.spikes.is_empty() {
        let place = floor * (peak / floor).powf(0.02);
        let spikes = figure.spikes.iter();
        axes.draw_series(
            spikes.map(|spike| TriangleMarker::new((*spike, place), 5, ACCENT.filled())),
        )
        .map_err(text)?
        .label("beyond the noise")
        .legend(|(x, y)| TriangleMarker::new((x + 9, y), 5, ACCENT.filled()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::LayerMetrics;
    use crate::layer::{LayerName, Role, Scope};
    use crate::report::sample;
    use crate::spectrum::Profile;

    fn layer(name: &str, profile: Profile) -> ScanLayer {
        let fit = [
            (Metric::Alpha, 3.0),
            (Metric::Xmin, 10.0),
            (Metric::Xmax, 1000.0),
            (Metric::TailCount, 200.0),
        ];
        ScanLayer {
            name: LayerName::new(name),
            role: Role::MlpDown,
            block: Some(3),
            shape: vec![4096, 1024],
            dtype: "BF16".to_owned(),
            scope: Scope::Body,
            metrics: LayerMetrics {
                table: sample::table(&[(Metric::Alpha, 3.0), (Metric::MpEdge, 80.0)]),
                fit: Some(sample::table(&fit)),
                profile,
                phase: None,
            },
            validity: None,
        }
    }

    fn spread() -> Profile {
        Profile::from_ranks(1024, |rank| 3.0 - 5.0 * rank as f64 / 1023.0)
    }

    #[test]
    fn the_figure_names_fit_edge_and_spikes() {
        let svg = spectrum(&layer("model.layers.3.mlp.down_proj.weight", spread())).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        for part in [
            "model.layers.3.mlp.down_proj.weight",
            "power law, alpha 3",
            "xmin 10",
            "edge of the noise 80",
            "beyond the noise",
            "share of eigenvalues per decade",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let again = spectrum(&layer("model.layers.3.mlp.down_proj.weight", spread())).unwrap();
        assert_eq!(svg, again);
    }

    /// Where the legend's first text starts, as a share of the width.
    fn legend(svg: &str) -> f64 {
        let texts = svg.split("<text x=\"").skip(1);
        let found = texts.filter_map(|text| {
            let (x, rest) = text.split_once('"')?;
            let (_, content) = rest.split_once('>')?;
            (content.split('<').next()?.trim() == "spectrum").then_some(x)
        });
        let x: f64 = found.last().unwrap().parse().unwrap();
        x / f64::from(SIZE.0)
    }

    #[test]
    fn the_legend_stands_where_the_spectrum_is_low() {
        // Most eigenvalues near 1000, few below; and the other way round.
        let large = Profile::from_ranks(1024, |rank| 3.0 - 4.0 * (rank as f64 / 1023.0).powi(6));
        let svg = spectrum(&layer("large", large)).unwrap();
        assert!(legend(&svg) <= 0.3, "{}", legend(&svg));
        let small = Profile::from_ranks(1024, |rank| 3.0 * (1.0 - rank as f64 / 1023.0).powi(6));
        let mut of_small = layer("small", small);
        of_small.metrics.fit = None;
        let svg = spectrum(&of_small).unwrap();
        assert!(legend(&svg) >= 0.5, "{}", legend(&svg));
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let svg = spectrum(&layer("<script>alert(1)</script>\u{202e}&", spread())).unwrap();
        assert!(!svg.contains("<script") && !svg.contains('\u{202e}'));
        assert!(svg.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_flat_spectrum_can_be_drawn_and_none_is_an_error() {
        let flat = Profile::from_ranks(64, |_| 1.0);
        assert!(spectrum(&layer("flat", flat)).is_ok());
        let error = spectrum(&layer("zero", Profile::default())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot draw layer `zero`: it has no spectrum"
        );
    }

    #[test]
    fn labels_stand_at_one_two_and_five() {
        let labels = [0.001, 0.02, 0.3, 5.0, 90.0, 100.0].map(label);
        assert_eq!(labels, ["0.001", "0.02", "", "5", "", "100"]);
    }

    #[test]
    fn the_power_law_holds_its_share_of_the_eigenvalues() {
        let fit = Fit {
            alpha: 2.5,
            xmin: 2.0,
            xmax: 2e6,
            share: 0.2,
            holds: true,
        };
        // The integral over decades.
        let step = 1e-3;
        let area: f64 = (0..6000)
            .map(|index| fit.at(2.0 * 10_f64.powf((f64::from(index) + 0.5) * step)) * step)
            .sum();
        assert!((area - 0.2).abs() <= 1e-4, "{area}");
    }
}
