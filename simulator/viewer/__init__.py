"""The web page for transcripts and comparisons: ``audition view``.

serve.py      the command: address, port, token; runs until Ctrl-C
app.py        the application: routes joined, errors, what every answer must carry
security.py   who may ask: hosts, token, same-origin writes; the content security policy
view.py       what pages are made of: store, index, templates
links.py      where every page is; a bundle has places of its own
index.py      the viewer's own index beside the store, which can be made anew at any time
*_page.py     one page each: a function from a view to what its template shows
"""
