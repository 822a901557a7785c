// The style sheet of report pages: one measure of text, numbers in columns, light, dark and paper.

enum PageStyle {
    static let text = """
        :root { color-scheme: light dark; --paper: #fdfdfb; --ink: #1c2429; --soft: #5d6870; --rule: #dfe3e5;
          --card: #f4f6f6; --good: #11734b; --bad: #b3261e; --c0: #0b62a4; --c1: #c2571a; --c2: #3b8a57;
          --c3: #8e4a94; --c4: #7a6a1f; --c5: #5d6870; }
        @media (prefers-color-scheme: dark) { :root { --paper: #15191c; --ink: #e6eaec; --soft: #9aa6ad;
          --rule: #2d353a; --card: #1d2327; --good: #58c492; --bad: #ff8a80; --c0: #6cb6f0; --c1: #f0a06a;
          --c2: #7ccf98; --c3: #d59adb; --c4: #d6c46a; --c5: #9aa6ad; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif; }
        main { max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
        .verdict { display: inline-block; padding: .1rem .7rem; border-radius: 1rem; font-size: .85rem;
          font-weight: 600; letter-spacing: .03em; border: 1.5px solid currentColor; }
        .verdict.good { color: var(--good); } .verdict.bad { color: var(--bad); }
        h1 { font-size: 1.9rem; line-height: 1.2; margin: .7rem 0 .3rem; letter-spacing: -.01em; }
        .sub { color: var(--soft); margin: 0 0 .4rem; }
        .reasons { color: var(--bad); margin: .4rem 0 0; padding-left: 1.2rem; }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: .8rem;
          margin: 1.6rem 0 2.2rem; }
        .figures div { background: var(--card); border-radius: .6rem; padding: .8rem 1rem; }
        .figures b { display: block; white-space: nowrap; font-size: 1.45rem; font-weight: 650; line-height: 1.25;
          font-variant-numeric: tabular-nums; }
        .figures span { color: var(--soft); font-size: .85rem; }
        h2 { font-size: 1.15rem; margin: 0 0 .1rem; }
        section, figure { margin: 0 0 2.6rem; }
        .note { color: var(--soft); font-size: .9rem; margin: 0 0 .5rem; max-width: 46rem; }
        .legend { margin: .2rem 0 .2rem; font-size: .85rem; }
        .legend span { margin-right: 1.3rem; white-space: nowrap; }
        .key { width: 28px; height: 8px; margin-right: .45rem; vertical-align: middle; }
        figure > svg { display: block; width: 100%; height: auto; }
        svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
        svg .label { fill: var(--ink); }
        .grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
        .dot { stroke-width: 2; } .dot.hollow { fill: var(--paper); }
        .level { stroke: var(--bad); stroke-width: 1.2; stroke-dasharray: 3 4; }
        svg .levelname { fill: var(--bad); }
        .s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); stroke-dasharray: 7 3; }
        .s2 { stroke: var(--c2); stroke-dasharray: 2 3; } .s3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
        .s4 { stroke: var(--c4); stroke-dasharray: 5 2; } .s5 { stroke: var(--c5); stroke-dasharray: 1 4; }
        .dot.s0 { fill: var(--c0); } .dot.s1 { fill: var(--c1); stroke-dasharray: none; }
        .dot.hollow.s0, .dot.hollow.s1 { fill: var(--paper); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--rule);
          white-space: nowrap; }
        th:first-child, td:first-child { text-align: left; padding-left: 0; } th { font-weight: 600; }
        dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0 2rem; margin: 0;
          font-size: .9rem; }
        dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .3rem 0;
          border-bottom: 1px solid var(--rule); }
        dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
        footer { color: var(--soft); font-size: .8rem; }
        @media print { @page { margin: 16mm; }
          :root { --paper: #fff; --ink: #000; --soft: #444; --rule: #ccc; --card: #fff; --good: #11734b;
            --bad: #b3261e; --c0: #0b62a4; --c1: #c2571a; --c2: #3b8a57; --c3: #8e4a94; --c4: #7a6a1f;
            --c5: #444; }
          body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
          .figures div { border: 1px solid var(--rule); padding: .5rem .7rem; }
          .figures { grid-template-columns: repeat(4, 1fr); margin: 1rem 0 1.4rem; }
          section, figure { break-inside: avoid; margin-bottom: 1.4rem; } figure > svg { max-height: 78mm; }
        }
        """
}
