import { createSetPage, type SetPage } from "#core/sets/index.ts";
import type { SideAllocations } from "./allocations.ts";

/** The pages of one direction. */
export interface PagePool {
  /** The page of this number, made when it is not there yet. */
  page(id: number): SetPage;
  pages(): Iterable<SetPage>;
  /** The best page that can take all `sets`: the preferred one, the one that has most of them already, or a new one. */
  find(sets: readonly string[], preferred: number | undefined): SetPage;
  /** A page for `sets` and more to come, none of `others`: one that is at least half free, or a new one. */
  findRoomy(sets: readonly string[], others: ReadonlySet<SetPage>): SetPage;
  /** Pages that have many of the sets already, the best first. */
  sharing(sets: readonly string[]): SetPage[];
  /** Bits that were given back may be given again. */
  settle(): SettledPages;
}

export interface SettledPages {
  /** There are bits that may be given again. */
  readonly freed: boolean;
  /** Sets left their page only now: the lookup tables are to follow. */
  readonly left: boolean;
}

const lastPage = 0xffff;
export interface PagePoolOptions {
  readonly setsPerPage: number;
  readonly remembered: SideAllocations["bits"] | undefined;
}

export function createPagePool({ setsPerPage, remembered }: PagePoolOptions): PagePool {
  /** From so many common sets on it pays to use another profile's page. */
  const worthSharing = setsPerPage / 4;
  const pages = new Map<number, SetPage>();
  const pageOf = (id: number): SetPage => {
    let page = pages.get(id);
    if (page === undefined) {
      page = createSetPage(id, { sets: setsPerPage, reserved: Object.values(remembered?.[id] ?? {}) });
      pages.set(id, page);
    }
    return page;
  };
  const newPage = (): SetPage => {
    let id = 0;
    while (pages.has(id) && id < lastPage) id++;
    return pageOf(id);
  };
  const common = (page: SetPage, sets: readonly string[]): number =>
    sets.reduce((sum, set) => (page.bitOf(set) === undefined ? sum : sum + 1), 0);
  const ranked = (sets: readonly string[]): { readonly page: SetPage; readonly shared: number }[] =>
    [...pages.values()].map((page) => ({ page, shared: common(page, sets) })).sort((a, b) => b.shared - a.shared);

  return {
    page: pageOf,
    pages: () => pages.values(),
    find(sets, preferred) {
      if (preferred !== undefined && pageOf(preferred).fits(sets)) return pageOf(preferred);
      return ranked(sets).find(({ page }) => page.fits(sets))?.page ?? newPage();
    },
    findRoomy(sets, others) {
      for (const page of pages.values()) if (!others.has(page) && page.free >= setsPerPage / 2 && page.fits(sets)) return page;
      return newPage();
    },
    sharing: (sets) =>
      ranked(sets)
        .filter(({ shared }) => shared >= worthSharing)
        .map(({ page }) => page),
    settle() {
      const free = (): number => [...pages.values()].reduce((sum, page) => sum + page.free, 0);
      const before = free();
      const left = [...pages.values()].map((page) => page.settle()).includes(true);
      return { freed: free() > before, left };
    },
  };
}
