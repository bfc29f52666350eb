import sys, json, inspect; sys.path.insert(0,'/tmp')
from right10 import *
import right10
SRC={n:inspect.getsource(getattr(right10,n)) for n in('tiles','slanted','merge_pieces','merge_u2','backward','backward_u3')}
W=[]
def P(note,expect=None,**k):
    a=dict(a=78,b=93,c=7/6,d=8192/65,e=2,f=7); a.update(k)
    W.append(('predict',note,str(k),lambda q:a[q]))
def R(ex,base,note,*reps):
    s=SRC[base]
    for x,y in reps:
        assert x in s,(note,x); s=s.replace(x,y)
    ns=dict(vars(right10)); exec(s,ns)
    W.append((ex,note,'; '.join(f'{x} -> {y}' for x,y in reps),ns[base]))
def F(ex,note,src):
    ns=dict(vars(right10)); exec(src,ns)
    W.append((ex,note,src,ns['f']))
for a,n in [(144,'no mask'),(66,'diagonal left out'),(72,'half of 144'),(156,'12*13'),(79,'slip'),(1179648,'counts pairs')]: P('a: '+n,a=a)
for b,n in [(64,'2 per row'),(63,'2 per row, first 1'),(96,'3 per row, first rows not fewer'),(94,'first row 2'),(95,'first two rows 3,2'),(528,'causal, window forgotten'),(124,'4-2..'),(126,'4 per row, minus 2'),(122,'4 per row, 1 2 3'),(1024,'all'),(61,'2 and diag')]: P('b: '+n,b=b)
for c,n in [(1.,'same'),(1.25,'backward only'),(4/3,'two redone 8/6'),(6/7,'inverted'),(7,'count'),(1.2,'one digit'),(1.5,'fwd redone'),(7/3,'wrong quotient'),(.17,'surplus only')]: P('c: '+n,c=c)
for d,n in [(128,'lse forgotten'),(8192/130,'two lse+two out'),(65/8192,'inverted'),(63.0,'half (causal)'),(8192,'per row'),(8192/66,'max and sum kept'),(8192/192,'q,k,v'),(8192**2,'table size'),(126,'no digits'),(8192/129,'k and v')]: P('d: '+n,d=d)
for e,n in [(3,'no threshold / first tile counted / vs previous score'),(4,'base never moves'),(1,'base follows max'),(5,'every tile'),(0,'none')]: P('e: '+n,e=e)
for f,n in [(6,'mean'),(12,'sum'),(5,'swapped'),((8+8*(2+math.log(3)))/(4+math.log(3)),'by lse not exp'),(4*1/(1+2**math.log(3))+8*2**math.log(3)/(1+2**math.log(3)),'base 2'),(28,'4+24 unnormalised'),(8,'largest wins'),(2+math.log(4),'the lse')]: P('f: '+n,f=f)
P('everything as text',a='78'); P('a returned as tuple',a=(78,))

t='tiles'
B1=('new=torch.maximum(most,','new=torch.maximum(total,'); B2=('torch.arange(begin,begin+k.shape[1])','torch.arange(k.shape[1])'); B3=('~seen,-torch.inf','~seen,-100.0'); B4=('mixed=shrink*mixed+','mixed=mixed+'); B5=('safe.log()','safe.log2()')
for i,b in enumerate((B1,B2,B3,B4,B5),1): R(t,t,f'only bug {i} left',b)
R(t,t,'bugs 1,3 left',B1,B3); R(t,t,'1,2,3 left',B1,B2,B3); R(t,t,'2,4,5 left',B2,B4,B5); R(t,t,'draft itself',B1,B2,B3,B4,B5); R(t,t,'1,4 left',B1,B4);R(t,t,'1,2,4,5 left',B1,B2,B4,B5)
R(t,t,'mask -1e9',('~seen,-torch.inf','~seen,-1e9'))
R(t,t,'mask -300',('~seen,-torch.inf','~seen,-300.0'))
R(t,t,'mask 0',('~seen,-torch.inf','~seen,0.0'))
R(t,t,'mask after max',('scores=scores.masked_fill(~seen,-torch.inf)','raw=scores; scores=scores.masked_fill(~seen,-torch.inf)'),('scores.amax','raw.amax'))
R(t,t,'new=maximum with 0 start (most zeros)',('most=torch.full((B,T,1),-torch.inf)','most=torch.zeros(B,T,1)'))
R(t,t,'new = scores.amax (only this tile)',('torch.maximum(most,scores.amax(-1,keepdim=True))','scores.amax(-1,keepdim=True)'))
R(t,t,'place = begin + only first (begin*tile)',('torch.arange(begin,begin+k.shape[1])','begin*tile+torch.arange(k.shape[1])'))
R(t,t,'place <= lengths',('place<lengths','place<=lengths'))
R(t,t,'place+1',('torch.arange(begin,begin+k.shape[1])','torch.arange(begin,begin+k.shape[1])+1'))
R(t,t,'mixed*shrink outside',('mixed=shrink*mixed+powers@v','mixed=shrink*(mixed+powers@v)'))
R(t,t,'total not shrunk',('total=shrink*total+','total=total+'))
R(t,t,'shrink inverted',('(most-base).exp()','(base-most).exp()'))
R(t,t,'divide each tile',('        most=new','        mixed=mixed/total.masked_fill(total==0,1)\n        most=new'))
R(t,t,'base removed: NaN',('base=new.masked_fill(new==-torch.inf,0)','base=new'))
R(t,t,'lse: log10',('safe.log()','safe.log10()'))
R(t,t,'lse: most*ln2.. total/log2 wrong',('most+safe.log()','(most+safe.log2())*math.log(2)'))
R(t,t,'lse only log of sum',('(most+safe.log())','(total.log())'))
R(t,t,'empty lse 0',('(most+safe.log())','(most.masked_fill(empty,0)+safe.log())'))
R(t,t,'lse keepdim',('(most+safe.log())[...,0]','(most+safe.log())'))
R(t,t,'no scale',('/math.sqrt(d)',''))
R(t,t,'scale by d_v',('math.sqrt(d)','math.sqrt(value.shape[-1])'))
R(t,t,'new max total, but scores clamped to 80',('/math.sqrt(d)','/math.sqrt(d)\n        scores=scores.clamp(-80,80)'))
R(t,t,'no max, base 0',('new=torch.maximum(most,scores.amax(-1,keepdim=True))','new=torch.zeros_like(most)'))
R(t,t,'global max for all rows',('scores.amax(-1,keepdim=True)','scores.max().expand(B,T,1)'))
R(t,t,'last tile skipped',('range(0,key.shape[1],tile)','range(0,key.shape[1]-tile+1,tile)'))
R(t,t,'in-place scaling of query',('B,T,d=query.shape','B,T,d=query.shape; query/=math.sqrt(d)'),('@k.mT/math.sqrt(d)','@k.mT'))
F(t,'dense, tile ignored','''
def f(query,key,value,lengths,tile):
    s=query@key.mT/math.sqrt(query.shape[-1])
    s=s.masked_fill((torch.arange(key.shape[1])>=lengths[:,None])[:,None],-torch.inf)
    return s.softmax(-1).nan_to_num(0)@value, s.logsumexp(-1)''')
F(t,'dense, NaN row kept','''
def f(query,key,value,lengths,tile):
    s=query@key.mT/math.sqrt(query.shape[-1])
    s=s.masked_fill((torch.arange(key.shape[1])>=lengths[:,None])[:,None],-torch.inf)
    return s.softmax(-1)@value, s.logsumexp(-1)''')
F(t,'no max but float64','''
def f(query,key,value,lengths,tile):
    q,key,v=query.double(),key.double(),value.double(); z=0;o=0
    for b in range(0,key.shape[1],tile):
        s=q@key[:,b:b+tile].mT/math.sqrt(q.shape[-1])
        pl=torch.arange(key.shape[1])[b:b+tile]
        p=s.exp()*(pl<lengths[:,None])[:,None]
        z=z+p.sum(-1,keepdim=True); o=o+p@v[:,b:b+tile]
    return (o/z.masked_fill(z==0,1)).float(), z.log()[...,0].float()''')
F(t,'tile fixed to 2','''
def f(query,key,value,lengths,tile):
    return tiles(query,key,value,lengths,2)''')

s='slanted'
R(s,s,'offset S-T forgotten',('torch.arange(S-T,S)[:,None]','torch.arange(T)[:,None]'))
R(s,s,'offset off by one',('torch.arange(S-T,S)[:,None]','torch.arange(S-T+1,S+1)[:,None]'))
R(s,s,'bias sign',('-slopes[:,None,None]*n','+slopes[:,None,None]*n'))
R(s,s,'bias inside scale',('query@k.mT/math.sqrt(d)-slopes[:,None,None]*n','(query@k.mT-slopes[:,None,None]*n)/math.sqrt(d)'))
R(s,s,'abs, no mask',('slopes[:,None,None]*n','slopes[:,None,None]*n.abs()'),('s=s.masked_fill(n<0,-torch.inf)','pass'))
R(s,s,'no mask',('s=s.masked_fill(n<0,-torch.inf)','pass'))
R(s,s,'own key masked',('n<0','n<=0'))
R(s,s,'mask the wrong way',('n<0','n>0'))
R(s,s,'mask -100',('n<0,-torch.inf','n<0,-100.'))
R(s,s,'mask -1e9',('n<0,-torch.inf','n<0,-1e9'))
R(s,s,'mask -1e4',('n<0,-torch.inf','n<0,-1e4'))
R(s,s,'tile-relative key place',('torch.arange(begin,begin+k.shape[2])','torch.arange(k.shape[2])'))
R(s,s,'one slope for all heads',('slopes[:,None,None]','slopes[0]'))
R(s,s,'mean slope',('slopes[:,None,None]','slopes.mean()'))
R(s,s,'slopes on the batch axis',('slopes[:,None,None]','slopes.flip(0)[:,None,None]'))
R(s,s,'slope 2^-slope',('slopes[:,None,None]','2**-slopes[:,None,None]'))
R(s,s,'own slopes 2^(-8h/H)',('slopes[:,None,None]','(2.0**(-8*torch.arange(1,H+1)/H))[:,None,None]'))
R(s,s,'distance+1',('slopes[:,None,None]*n','slopes[:,None,None]*(n+1)'))
R(s,s,'bias multiplies score',('query@k.mT/math.sqrt(d)-slopes[:,None,None]*n','query@k.mT/math.sqrt(d)*(1-slopes[:,None,None]*n)'))
R(s,s,'no scale',('/math.sqrt(d)',''))
R(s,s,'mixed not shrunk',('mixed=shrink*mixed+','mixed=mixed+'))
R(s,s,'total not shrunk',('total=shrink*total+','total=total+'))
R(s,s,'lse log2',('total.log()','total.log2()'))
R(s,s,'lse without max',('most+total.log()','total.log()'))
R(s,s,'output not divided',('mixed/total','mixed'))
R(s,s,'bias not in lse: max without bias',('new=torch.maximum(most,s.amax(-1,keepdim=True))','new=torch.zeros_like(most)'))
R(s,s,'bias put on after exp, max before bias',('-slopes[:,None,None]*n',''),('p=(s-new).exp()','p=(s-new).exp()*(-slopes[:,None,None]*n.clamp(min=0)).exp()'))
R(s,s,'bias after exp, not in sum',('-slopes[:,None,None]*n',''),('mixed=shrink*mixed+p@v','mixed=shrink*mixed+(p*(-slopes[:,None,None]*n.clamp(min=0)).exp())@v'))
R(s,s,'mask table before the loop',('place=torch.arange(S-T,S)[:,None]','place=torch.arange(S-T,S)[:,None]; M=torch.ones(T,S,dtype=torch.bool).tril(S-T)'),('n<0','~M[:,begin:begin+tile]'))
R(s,s,'distance table before the loop',('place=torch.arange(S-T,S)[:,None]','D=torch.arange(S-T,S)[:,None]-torch.arange(S)'),('place-torch.arange(begin,begin+k.shape[2])','D[:,begin:begin+tile]'))
R(s,s,'bias table (H,T,S) before the loop',('place=torch.arange(S-T,S)[:,None]','place=torch.arange(S-T,S)[:,None]; bias=slopes[:,None,None]*(place-torch.arange(S))'),('slopes[:,None,None]*n','bias[:,:,begin:begin+tile]'))
R(s,s,'expand view table of distances? list comp python table',('place=torch.arange(S-T,S)[:,None]','place=torch.arange(S-T,S)[:,None]; D=[[S-T+t-k for k in range(S)] for t in range(T)]'),('n=place-torch.arange(begin,begin+k.shape[2])','n=torch.tensor([r[begin:begin+tile] for r in D])'))
R(s,s,'in-place query scaling',('S=key.shape[2]','S=key.shape[2]; query/=math.sqrt(d)'),('@k.mT/math.sqrt(d)','@k.mT'))
R(s,s,'tiles of fixed 4',('S=key.shape[2]','S=key.shape[2]; tile=4'))
R(s,s,'one key at a time',('S=key.shape[2]','S=key.shape[2]; tile=1'))
R(s,s,'tile=S//2',('S=key.shape[2]','S=key.shape[2]; tile=max(1,(S+1)//2)'))
R(s,s,'tile=S (table)',('S=key.shape[2]','S=key.shape[2]; tile=S'))
R(s,s,'last tile dropped',('range(0,S,tile)','range(0,S-tile+1,tile)'))
F(s,'dense','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]
    n=torch.arange(S-T,S)[:,None]-torch.arange(S)
    s=(query@key.mT/math.sqrt(query.shape[-1])-slopes[:,None,None]*n).masked_fill(n<0,-torch.inf)
    return s.softmax(-1)@value,s.logsumexp(-1)''')
F(s,'query tiles, all keys at once','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]; O=[];L=[]
    for i in range(0,T,tile):
        q=query[:,:,i:i+tile]
        n=torch.arange(S-T+i,S-T+i+q.shape[2])[:,None]-torch.arange(S)
        s=(q@key.mT/math.sqrt(q.shape[-1])-slopes[:,None,None]*n).masked_fill(n<0,-torch.inf)
        O.append(s.softmax(-1)@value);L.append(s.logsumexp(-1))
    return torch.cat(O,2),torch.cat(L,2)''')
F(s,'one query at a time, row softmax, no tiles','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]; O=[];L=[]
    for t in range(T):
        p=S-T+t
        s=(key[:,:,:p+1]@query[:,:,t,:,None])[...,0]/math.sqrt(query.shape[-1])-slopes[:,None]*(p-torch.arange(p+1))
        O.append((s.softmax(-1)[...,None]*value[:,:,:p+1]).sum(2));L.append(s.logsumexp(-1))
    return torch.stack(O,2),torch.stack(L,2)''')
F(s,'scores kept in a list, softmax afterwards with cat','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]; A=[]
    for b in range(0,S,tile):
        k=key[:,:,b:b+tile]; n=torch.arange(S-T,S)[:,None]-torch.arange(b,b+k.shape[2])
        A.append((query@k.mT/math.sqrt(query.shape[-1])-slopes[:,None,None]*n).masked_fill(n<0,-torch.inf))
    s=torch.cat(A,-1)
    return s.softmax(-1)@value,s.logsumexp(-1)''')
F(s,'scores kept in a list, two passes without cat','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]; A=[]
    for b in range(0,S,tile):
        k=key[:,:,b:b+tile]; n=torch.arange(S-T,S)[:,None]-torch.arange(b,b+k.shape[2])
        A.append((query@k.mT/math.sqrt(query.shape[-1])-slopes[:,None,None]*n).masked_fill(n<0,-torch.inf))
    lse=torch.stack([a.logsumexp(-1) for a in A]).logsumexp(0)
    out=sum((a-lse[...,None]).exp()@v for a,v in zip(A,value.split(tile,2)))
    return out,lse''')
F(s,'sdpa with mask, lse zeros','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2]
    n=torch.arange(S-T,S)[:,None]-torch.arange(S)
    m=(-slopes[:,None,None]*n).masked_fill(n<0,-torch.inf)
    o=torch.nn.functional.scaled_dot_product_attention(query,key,value,attn_mask=m[None])
    return o,torch.zeros(query.shape[:3])''')
F(s,'trick: bias appended as an extra feature (no distance), sdpa causal top-left','''
def f(query,key,value,slopes,tile):
    o=torch.nn.functional.scaled_dot_product_attention(query,key,value,is_causal=True)
    return o,torch.zeros(query.shape[:3])''')

m='merge_pieces'
R(m,m,'lse without sink',('al.logsumexp(0)','lses.logsumexp(0)'))
R(m,m,'output without sink',('w=al.softmax(0)[:-1]','w=lses.softmax(0)'))
R(m,m,'sink ignored both',('w=al.softmax(0)[:-1]','w=lses.softmax(0)'),('al.logsumexp(0)','lses.logsumexp(0)'))
R(m,m,'sink dropped at the wrong end',('[:-1]','[1:]'))
R(m,m,'softmax over last axis',('al.softmax(0)','al.softmax(-1)'))
R(m,m,'renormalised after drop',('w=al.softmax(0)[:-1]','w=al.softmax(0)[:-1]; w=w/w.sum(0)'))
R(m,m,'sink on T axis / first head for all',('sink[None,None,:,None]','sink[:1][None,None,:,None]'))
R(m,m,'sink flipped over heads',('sink[None,None,:,None]','sink.flip(0)[None,None,:,None]'))
R(m,m,'sink summed',('sink[None,None,:,None]','sink.sum()[None,None,None,None]'))
R(m,m,'sink log',('sink[None,None,:,None]','sink.exp()[None,None,:,None]'))
R(m,m,'sink zero',('sink[None,None,:,None]','torch.zeros_like(sink)[None,None,:,None]'))
R(m,m,'log1p sink abs',('sink[None,None,:,None]','(-sink)[None,None,:,None]'))
R(m,m,'sink detached',('sink[None,None,:,None]','sink.detach()[None,None,:,None]'))
R(m,m,'lses detached in shares',('w=al.softmax(0)','w=al.detach().softmax(0)'))
R(m,m,'lses detached',('torch.cat([lses,','torch.cat([lses.detach(),'))
R(m,m,'outputs detached',('*outputs)','*outputs.detach())'))
R(m,m,'lse detached',('al.logsumexp(0)','al.detach().logsumexp(0)'))
R(m,m,'exp unstable',('w=al.softmax(0)[:-1]','e=al.exp(); w=(e/e.sum(0))[:-1]'),('al.logsumexp(0)','e.sum(0).log()'))
R(m,m,'lse base 2 shares',('w=al.softmax(0)','w=(al*math.log(2)).softmax(0)'))
R(m,m,'lse log2',('al.logsumexp(0)','al.logsumexp(0)/math.log(2)'))
R(m,m,'lse max',('al.logsumexp(0)','al.amax(0)'))
R(m,m,'lse sum',('al.logsumexp(0)','al.sum(0)'))
R(m,m,'clamp -100',('w=al','al=al.clamp(min=-100); w=al'))
R(m,m,'clamp -300',('w=al','al=al.clamp(min=-300); w=al'))
R(m,m,'max of piece with the sink subtracted, lse without max back',('al.logsumexp(0)','(al-al.amax(0)).exp().sum(0).log()'))
R(m,m,'sink once per piece',('al=torch.cat([lses,sink[None,None,:,None].expand(1,*lses.shape[1:])])','al=torch.cat([lses,sink[None,None,:,None].expand_as(lses)])'),('[:-1]','[:len(lses)]'))
R(m,m,'sink value counts 1',('(w[...,None]*outputs).sum(0)','(w[...,None]*outputs).sum(0)+al.softmax(0)[-1:].squeeze(0)[...,None]'))
R(m,m,'mean of outputs',('(w[...,None]*outputs).sum(0)','outputs.mean(0)*w.sum(0)[...,None]'))
R(m,m,'no_grad decorated',('    al=','    outputs=outputs+0\n    with torch.no_grad(): al='))
R(m,m,'in place on lses',('    al=','    lses[lses==-torch.inf]=-1e4\n    al='))
R(m,m,'nan lses clamp -1e4 (fine?)',('w=al','al=al.clamp(min=-1e4); w=al'))
F(m,'gate, no care (NaN rows)','''
def f(outputs,lses,sink):
    L=lses.logsumexp(0); o=(lses.softmax(0)[...,None]*outputs).sum(0)
    s=sink[:,None]
    return o*torch.sigmoid(L-s)[...,None], torch.logaddexp(L,s.expand_as(L))''')
F(m,'gate, nan_to_num (gradient NaN)','''
def f(outputs,lses,sink):
    L=lses.logsumexp(0); o=(lses.softmax(0).nan_to_num(0)[...,None]*outputs).sum(0)
    s=sink[:,None]
    return o*torch.sigmoid(L-s)[...,None], torch.logaddexp(L,s.expand_as(L))''')
F(m,'gate, where at the end','''
def f(outputs,lses,sink):
    L=lses.logsumexp(0); o=(lses.softmax(0)[...,None]*outputs).sum(0)
    s=sink[:,None].expand_as(L); none=L==-torch.inf
    o=o*torch.sigmoid(L-s)[...,None]
    return torch.where(none[...,None],0.,o), torch.where(none,s,torch.logaddexp(L,s))''')
F(m,'gate sign flipped','''
def f(outputs,lses,sink):
    al=torch.cat([lses,sink[None,None,:,None].expand(1,*lses.shape[1:])])
    L=al[:-1].logsumexp(0); g=al[-1:].sum(0)
    o=(al[:-1].softmax(0).nan_to_num(0)[...,None]*outputs).sum(0)
    return o*torch.sigmoid(g-L)[...,None], al.logsumexp(0)''')
F(m,'gate sigmoid of sink only','''
def f(outputs,lses,sink):
    al=torch.cat([lses,sink[None,None,:,None].expand(1,*lses.shape[1:])])
    o=(lses.softmax(0).nan_to_num(0)[...,None]*outputs).sum(0)
    return o*torch.sigmoid(-sink)[:,None,None], al.logsumexp(0)''')
F(m,'running merge with gate each step','''
def f(outputs,lses,sink):
    s=sink[:,None].expand(lses.shape[1:]); o=0; L=None
    for a,l in zip(outputs,lses):
        a=a*torch.sigmoid(l-s)[...,None]; l=torch.logaddexp(l,s)
        if L is None: o,L=a,l
        else:
            n=torch.logaddexp(L,l); o=o*(L-n).exp()[...,None]+a*(l-n).exp()[...,None]; L=n
    return o,L''')
F(m,'running merge, only first piece max','''
def f(outputs,lses,sink):
    s=sink[:,None].expand(lses.shape[1:]); b=lses[0]
    e=(lses-b).exp(); z=e.sum(0)+(s-b).exp()
    return (e[...,None]*outputs).sum(0)/z[...,None], b+z.log()''')
F(m,'running, base is the sink','''
def f(outputs,lses,sink):
    s=sink[:,None].expand(lses.shape[1:])
    e=(lses-s).exp(); z=e.sum(0)+1
    return (e[...,None]*outputs).sum(0)/z[...,None], s+z.log()''')
F(m,'logaddexp running with -inf (NaN gradient?)','''
def f(outputs,lses,sink):
    L=sink[:,None].expand(lses.shape[1:]); o=torch.zeros_like(outputs[0])
    for a,l in zip(outputs,lses):
        n=torch.logaddexp(L,l); o=o*(L-n).exp()[...,None]+a*(l-n).exp()[...,None]; L=n
    return o,L''')

b='backward'
R(b,b,'D forgotten',('d_output@v.mT-D','d_output@v.mT'))
R(b,b,'D per tile',('ds=w*(d_output@v.mT-D)','dw=d_output@v.mT; ds=w*(dw-(w*dw).sum(-1,keepdim=True))'))
R(b,b,'D outside',('w*(d_output@v.mT-D)','w*(d_output@v.mT)-D'))
R(b,b,'D plus',('d_output@v.mT-D','d_output@v.mT+D'))
R(b,b,'D mean',('(d_output*output).sum(-1','(d_output*output).mean(-1'))
R(b,b,'D of output only',('(d_output*output)','(output*output)'))
R(b,b,'D sum over queries',('(d_output*output).sum(-1,','(d_output*output).sum((-1,-2),'))
R(b,b,'D times weights squared',('ds=w*','ds=w*w*'))
R(b,b,'ds without weights',('ds=w*(','ds=('))
R(b,b,'scale missing on dq',('dq+=ds@k*r','dq+=ds@k'))
R(b,b,'scale missing on dk',('ds.mT@query*r','ds.mT@query'))
R(b,b,'scale missing on both',('dq+=ds@k*r','dq+=ds@k'),('ds.mT@query*r','ds.mT@query'))
R(b,b,'scale twice',('d_output@v.mT-D)','d_output@v.mT-D)*r'))
R(b,b,'scale missing in scores',('query@k.mT*r','query@k.mT'))
R(b,b,'dq set',('dq+=','dq='))
R(b,b,'no mask',('.masked_fill(torch.arange(b,b+k.shape[2])>place,-torch.inf)',''))
R(b,b,'mask >=',('>place','>=place'))
R(b,b,'offset missing',('torch.arange(S-T,S)','torch.arange(T)'))
R(b,b,'mask flipped',('>place','<place'))
R(b,b,'tile-relative places',('torch.arange(b,b+k.shape[2])','torch.arange(k.shape[2])'))
R(b,b,'weights softmax per tile',('w=(s-lse[...,None]).exp()','w=s.softmax(-1).nan_to_num(0)'))
R(b,b,'exp/exp(lse)',('(s-lse[...,None]).exp()','s.exp()/lse[...,None].exp()'))
R(b,b,'exp/lse',('(s-lse[...,None]).exp()','s.exp()/lse[...,None]'))
R(b,b,'max of tile subtracted',('(s-lse[...,None]).exp()','(s-s.amax(-1,keepdim=True)).exp().nan_to_num(0)'))
R(b,b,'base 2',('(s-lse[...,None]).exp()','(s-lse[...,None]).exp2()'))
R(b,b,'mask multiplied after exp (inf*0)',('(query@k.mT*r).masked_fill(torch.arange(b,b+k.shape[2])>place,-torch.inf)','query@k.mT*r'),('(s-lse[...,None]).exp()','(s-lse[...,None]).exp()*(torch.arange(b,b+k.shape[2])<=place)'))
R(b,b,'mask -100',('-torch.inf','-100.'))
R(b,b,'mask -1e4',('-torch.inf','-1e4'))
R(b,b,'mask -300',('-torch.inf','-300.'))
R(b,b,'dv from ds',('=w.mT@d_output','=w.mT@(d_output-D)'))
R(b,b,'dv from output',('=w.mT@d_output','=w.mT@output'))
R(b,b,'dv transposed wrong/unmasked',('=w.mT@d_output','=w.mT@(d_output*d_output.shape[2])'))
R(b,b,'dv accumulated for all (+= b/tile)',('dv[:,:,b:b+tile]=w.mT@d_output','dv[:,:,:tile]+=(w.mT@d_output) if w.shape[-1]==dv[:,:,:tile].shape[2] else 0'))
R(b,b,'return order k,q',('return dq,dk,dv','return dv,dk,dq'))
R(b,b,'dk dq swapped',('return dq,dk,dv','return dk,dq,dv'))
R(b,b,'dk uses k instead of query? (ds@...) / uses d_output',('ds.mT@query*r','w.mT@query*r'))
R(b,b,'dq uses w',('dq+=ds@k*r','dq+=w@k*r'))
R(b,b,'in place query scale',('dq,dk,dv=','query*=r; dq,dk,dv='),('query@k.mT*r','query@k.mT'),('ds.mT@query*r','ds.mT@query'))
R(b,b,'query scaled, factor twice in dk',('dq,dk,dv=','query=query*r; dq,dk,dv='),('query@k.mT*r','query@k.mT'))
R(b,b,'mask table',('    D=(','    M=torch.ones(T,S,dtype=torch.bool).triu(S-T+1)\n    D=('),('torch.arange(b,b+k.shape[2])>place','M[:,b:b+tile]'))
R(b,b,'tile=S',('    D=(','    tile=S\n    D=('))
R(b,b,'tile=S//2',('    D=(','    tile=(S+1)//2\n    D=('))
R(b,b,'tile=1',('    D=(','    tile=1\n    D=('))
R(b,b,'last tile dropped',('range(0,S,tile)','range(0,S-tile+1,tile)'))
R(b,'backward_u3','query tiles: dk set',('dk[:,:,J]+=','dk[:,:,J]='))
R(b,'backward_u3','query tiles: dv set',('dv[:,:,J]+=','dv[:,:,J]='))
R(b,'backward_u3','query tiles: break too early',('if j>S-T+I.stop-1: break','if j>I.stop-1: break'))
R(b,'backward_u3','query tiles: break at start of tile',('if j>S-T+I.stop-1: break','if j>S-T+I.start: break'))
F(b,'dense by hand','''
def f(query,key,value,output,lse,d_output,tile):
    return backward(query,key,value,output,lse,d_output,key.shape[2])''')
F(b,'query tiles, all keys at once','''
def f(query,key,value,output,lse,d_output,tile):
    T,S=query.shape[2],key.shape[2]; r=query.shape[-1]**-.5
    dq,dk,dv=map(torch.zeros_like,(query,key,value)); D=(d_output*output).sum(-1,keepdim=True)
    for i in range(0,T,tile):
        q,g=query[:,:,i:i+tile],d_output[:,:,i:i+tile]
        s=q@key.mT*r; s=s.masked_fill(torch.arange(S)>torch.arange(S-T,S)[i:i+tile,None],-torch.inf)
        w=(s-lse[:,:,i:i+tile,None]).exp(); dv+=w.mT@g
        ds=w*(g@value.mT-D[:,:,i:i+tile]); dq[:,:,i:i+tile]=ds@key*r; dk+=ds.mT@q*r
    return dq,dk,dv''')
F(b,'autograd, dense','''
def f(query,key,value,output,lse,d_output,tile):
    with torch.enable_grad():
        q,k,v=(x.detach().clone().requires_grad_() for x in(query,key,value))
        T,S=q.shape[2],k.shape[2]
        s=(q@k.mT/math.sqrt(q.shape[-1])).masked_fill(torch.arange(S)>torch.arange(S-T,S)[:,None],-torch.inf)
        return torch.autograd.grad(s.softmax(-1)@v,(q,k,v),d_output)''')
F(b,'autograd, sdpa is_causal','''
def f(query,key,value,output,lse,d_output,tile):
    with torch.enable_grad():
        q,k,v=(x.detach().clone().requires_grad_() for x in(query,key,value))
        o=torch.nn.functional.scaled_dot_product_attention(q,k,v,is_causal=True)
        return torch.autograd.grad(o,(q,k,v),d_output)''')
F(b,'weights of all tiles in a list','''
def f(query,key,value,output,lse,d_output,tile):
    T,S=query.shape[2],key.shape[2]; r=query.shape[-1]**-.5
    D=(d_output*output).sum(-1,keepdim=True); W=[]
    for b in range(0,S,tile):
        k=key[:,:,b:b+tile]
        s=(query@k.mT*r).masked_fill(torch.arange(b,b+k.shape[2])>torch.arange(S-T,S)[:,None],-torch.inf)
        W.append((s-lse[...,None]).exp())
    ks,vs=key.split(tile,2),value.split(tile,2)
    dS=[w*(d_output@v.mT-D) for w,v in zip(W,vs)]
    return sum(d@k for d,k in zip(dS,ks))*r, torch.cat([d.mT@query*r for d in dS],2), torch.cat([w.mT@d_output for w in W],2)''')
F(b,'autograd through a tiled forward','''
def f(query,key,value,output,lse,d_output,tile):
    with torch.enable_grad():
        q,k,v=(x.detach().clone().requires_grad_() for x in(query,key,value))
        o,_=slanted(q,k,v,torch.zeros(q.shape[1]),tile)
        return torch.autograd.grad(o,(q,k,v),d_output)''')
F(b,'autograd with exp(s-lse), lse constant (no D)','''
def f(query,key,value,output,lse,d_output,tile):
    with torch.enable_grad():
        q,k,v=(x.detach().clone().requires_grad_() for x in(query,key,value))
        T,S=q.shape[2],k.shape[2]; o=0
        for b in range(0,S,tile):
            kk=k[:,:,b:b+tile]
            s=(q@kk.mT/math.sqrt(q.shape[-1])).masked_fill(torch.arange(b,b+kk.shape[2])>torch.arange(S-T,S)[:,None],-torch.inf)
            o=o+(s-lse[...,None]).exp()@v[:,:,b:b+tile]
        return torch.autograd.grad(o,(q,k,v),d_output)''')
if __name__=='__main__':
    out=[]
    for i,(ex,note,code,f) in enumerate(W):
        e,ms=run(ex,f)
        bad=[p for p in PARTS[ex] if p not in e]
        out.append(dict(i=i,exercise=ex,answer=code,earned=e,note=note,msgs={p:ms[p] for p in bad}))
        print(f'#{i} [{ex}] {note} | earned {e}')
        seen=set()
        for p in bad:
            k=ms[p]
            if k in seen: continue
            seen.add(k); print('    ',p,':',k[:900].replace('\n','\n        '))
    json.dump(out,open('/tmp/trial10_raw.json','w'),indent=1)
