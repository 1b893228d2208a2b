"""The style of the page: for narrow screens first, in the colours that the reader's system has."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c1f23; --faint: #5b636d; --line: #e4e7eb;
  --created: #9aa3ad; --started: #d19a00; --ready: #1e8e4e; --bad: #c8321f; --code: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e8ea; --faint: #9aa3ad; --line: #2b3036;
  --created: #6b7480; --started: #e0b040; --ready: #3fb871; --bad: #ef6a56; --code: #1d2125; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.45 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
h4 { font-size: .85rem; margin: .75rem 0 .25rem; color: var(--faint); }
.who, summary, dd { overflow-wrap: anywhere; }
.who { display: block; margin: 0; } small, .legend, .scale, dt { color: var(--faint); font-size: .85rem; }
.scale { display: flex; justify-content: space-between; margin: 0; }
.row { padding: .4rem 0; border-top: 1px solid var(--line); }
.row summary { cursor: pointer; list-style: none; } .failed .who::before { content: "\\2717\\A0"; color: var(--bad); }
.line { position: relative; display: block; height: .8rem; margin-top: .2rem; background: var(--line);
  border-radius: 2px; overflow: hidden; }
.line i { position: absolute; top: 0; bottom: 0; min-width: 2px; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-left: .6rem; vertical-align: -.1rem; }
i.created, i.skipped { background: var(--created); } i.started { background: var(--started); }
i.ready, i.passed { background: var(--ready); } i.bad, i.failed { background: var(--bad); }
.line i.passed, .line i.failed { border-right: 1px solid var(--back); }
dl { margin: .5rem 0 0; } dd { margin: 0 0 .3rem; font-size: .9rem; }
pre { margin: 0; padding: .6rem; max-height: 30rem; overflow: auto; background: var(--code); border-radius: 4px;
  font: .8rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
section > details:not(.row) { padding: .4rem 0; border-top: 1px solid var(--line); }
@media (min-width: 50rem) { .row summary, div.row { display: grid; grid-template-columns: 18rem 1fr; gap: 1rem;
  align-items: center; } }
"""
