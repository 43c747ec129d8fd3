"""What is measured of the layout of a page: shifts while it loads, sizes of pictures, and what is cut on paper."""

from __future__ import annotations

from playwright.sync_api import Page

MAX_SHIFT = 0.1
"""Cumulative layout shift that web.dev calls good."""
RECORD_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const [first] = entry.sources;
    window.shifts.push([entry.startTime, entry.value, first?.node?.outerHTML?.slice(0, 120) ?? ""]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
"""Script for the start of a page, for `layout_shifts`."""
A4 = {"format": "A4", "margin": dict.fromkeys(("top", "right", "bottom", "left"), "10mm")}
A4_WIDTH = 718
"""CSS pixels of a page of A4 without its margins."""


def scroll_through(page: Page) -> None:
    """Scroll to the end in steps of a window, so that lazy pictures load and sections are drawn."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height + 900, 900):
        page.evaluate(f"scrollTo(0, {y})")
        page.wait_for_timeout(40)


def cumulative_shift(entries: list[tuple[float, float, str]]) -> float:
    """The largest sum of a window of shifts less than 1 s apart and at most 5 s long, as web.dev defines it."""
    worst = total = 0.0
    start = last = float("-inf")
    for time, value, _ in entries:
        if time - last > 1000 or time - start > 5000:
            start, total = time, 0.0
        last, total = time, total + value
        worst = max(worst, total)
    return worst


def layout_shifts(page: Page) -> list[tuple[float, float, str]]:
    """Return the shifts of a page that has moved too much since it began to load: time, size and first element."""
    shifts = page.evaluate("window.shifts")
    return shifts if cumulative_shift(shifts) >= MAX_SHIFT else []


def pictures_without_size(page: Page) -> list[str]:
    """Return the pictures whose markup does not say their size."""
    return page.locator("img:not([width][height])").evaluate_all("all => all.map(i => i.outerHTML)")


def cut_at_the_edge(page: Page) -> list[str]:
    """Return what reaches beyond the window, or beyond a box that hides the rest of it."""
    return page.evaluate(
        """() => {
          const isCut = (e) => {
            const hides = (p) => p === document.body || getComputedStyle(p).overflowX !== "visible";
            let holder = e.parentElement;
            while (!hides(holder)) holder = holder.parentElement;
            const edge = holder === document.body ? innerWidth : holder.getBoundingClientRect().right;
            return e.getBoundingClientRect().right > edge + 1;
          };
          return [...document.querySelectorAll("main :is(td, th, p, li, h1, h2, h3, dd, figcaption)")]
            .filter((e) => e.checkVisibility() && !e.closest(".hidden, [class*='outcome-bar']") && isCut(e))
            .map((e) => e.outerHTML.slice(0, 120));
        }"""
    )
