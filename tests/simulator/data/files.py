"""Small data sets in the published formats, written where a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LOG = "user,item,rating,timestamp\n7,10,4,100\n7,9,5,50\n12,10,1,70\n12,11,2,60\n"

RATINGS_DAT = "1::10::5::978300760\n1::2::3::978302109\n20::2::4::978301968\n"
MOVIES_DAT = (
    "2::Jumanji (1995)::Adventure|Children's|Fantasy\n"
    "10::Misérables, Les (1995)::Drama|Musical\n"
    "11::Never Seen (1999)::Drama\n"
)
USERS_DAT = "1::F::1::10::48067\n20::M::56::16::70072\n"

INTER = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "a\tx\t3\t881250949\na\ty\t4\t881250950\nb\tx\t1\t881250951\n"
)
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    'x\tThe "Quoted" One\t1995\tDrama Children\'s\ny\tSecond\t\tComedy\n'
)
USER = "user_id:token\tage:token\na\t24\nb\t53\n"

AGENT4REC = {
    "cf_data/train.txt": "0 0 1\n1 2\n",
    "cf_data/valid.txt": "0 2\n1 0\n",
    "cf_data/test.txt": "1 1\n",
    "items.csv": (
        "movie_id,title,genres,rating,summary\n"
        "0,Jumanji (1995),Adventure|Fantasy,3.2,A game.\n"
        '1,"Mis��rables, Les (1995)",Drama,4.1,A convict.\n'
        "2,Third (2000),Comedy,2.5,Funny.\n"
    ),
    "personas.csv": (
        "user,taste,reason,high_rating,low_rating\n"
        "1, I like plays.|  I like plays., r, high., \n"
        "0, I like games.|  I like drama., r, Often high., Rarely low.\n"
    ),
    "traits.csv": (
        "user,activity,diversity,conformity,activity_num,diversity_num,deviation\n"
        "0,1,2,3,3,2,0.5\n1,2,1,1,3,2,0.7\n"
    ),
    "user_id_map.csv": "ml1m_user,user\n1,0\n20,1\n",
    "item_id_map.csv": "ml1m_item,item\n2,0\n10,1\n11,2\n",
}


def write(folder: Path, files: Mapping[str, str | bytes], encoding: str = "utf-8") -> Path:
    """Write the files under the folder; texts in the given encoding."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return folder
