import os, subprocess, sys
from pathlib import Path
from tests.docs.pictures import stage
stage.enter()
stage.start_login_node()
stage.start_slurm()
from tests.docs.pictures import page
class L(page.Laptop):
    def run(self,*c):
        super().run("segmake","demo-data","pictures")
        super().run("segmake","new","growth","--images","pictures/phase")
        super().run("segmake","set","--configfile","growth/config/config.yaml","segmentation.model","/srv/segmake/resources/models/segmake_demo_cp3")
page.Laptop=L
out=Path("/tmp/P/pages"); out.mkdir(exist_ok=True)
old=page._Walk.all
def all(self,a):
    try: old(self,a)
    except BaseException:
        self.tab.screenshot(path="/tmp/P/debug.png",full_page=True); raise
page._Walk.all=all
page.PATIENCE_MS=120_000
page.take(out,"en")
