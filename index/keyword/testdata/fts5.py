"""What SQLite's FTS5 takes for the documents and questions on standard input.

Lines of JSON: {"batch": n} first, then {"title", "text"} for each document, then
{"question"} for each question. Prints seconds of wall clock and of processor time for
loading, the bytes of the database, and for each question its seconds of wall clock.
"""
import json, os, re, sqlite3, sys, tempfile, time

batch, documents, questions = 1, [], []
for line in sys.stdin:
    row = json.loads(line)
    if "batch" in row:
        batch = row["batch"]
    elif "question" in row:
        questions.append(row["question"])
    else:
        documents.append((row["title"], row["text"]))

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "fts.db")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("PRAGMA synchronous = normal")
    db.execute("CREATE VIRTUAL TABLE f USING fts5(title, text, tokenize = 'porter unicode61')")
    wall, cpu = time.monotonic(), time.process_time()
    for i in range(0, len(documents), batch):
        db.execute("BEGIN")
        db.executemany("INSERT INTO f (title, text) VALUES (?, ?)", documents[i:i + batch])
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    taken = []
    for question in questions:
        match = " OR ".join('"%s"' % word for word in re.findall(r"[A-Za-z0-9]+", question))
        start = time.monotonic()
        db.execute("SELECT rowid FROM f WHERE f MATCH ? ORDER BY bm25(f) LIMIT 100", (match,)).fetchall()
        taken.append(time.monotonic() - start)
    kept = sum(len(t.encode()) + len(u.encode()) for t, u in documents)
    print(json.dumps({"wall": wall, "cpu": cpu, "bytes": os.path.getsize(path), "kept": kept, "questions": taken}))
